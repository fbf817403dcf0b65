// Runs the `handler` of a Lambda function's file once: its event on standard input, the answer on standard output.
import { randomUUID } from "node:crypto";
import { pathToFileURL } from "node:url";

const print = process.stdout.write.bind(process.stdout);
process.stdout.write = process.stderr.write.bind(process.stderr);

let answered = false;
const answer = (printed) => {
  if (answered) return;
  answered = true;
  print(JSON.stringify(printed) + "\n", () => process.exit(0));
};
const succeed = (value) => answer({ value: value ?? null });
const fail = (error) => {
  console.error(error);
  answer({ error: String(error?.message ?? error) });
};
process.on("uncaughtException", fail);
process.on("unhandledRejection", fail);
// The event loop is empty and nobody has answered: Lambda then answers null.
process.on("beforeExit", () => succeed(null));

const run = async () => {
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  const event = JSON.parse(Buffer.concat(chunks).toString("utf8"));
  const module = await import(pathToFileURL(process.argv[1]).href);
  const handler = module.handler ?? module.default?.handler;
  if (typeof handler !== "function") throw new Error("index.handler is undefined or not exported");
  const began = Date.now();
  const context = {
    callbackWaitsForEmptyEventLoop: true,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: "$LATEST",
    memoryLimitInMB: "128",
    awsRequestId: randomUUID(),
    getRemainingTimeInMillis: () => Math.max(0, 5000 - (Date.now() - began)),
    done: (error, value) => (error ? fail(error) : succeed(value)),
    succeed,
    fail,
  };
  const returned = handler(event, context, (error, value) => (error ? fail(error) : succeed(value)));
  if (typeof returned?.then === "function") succeed(await returned);
};
run().catch(fail);
