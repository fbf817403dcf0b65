// A WebSocket server nobody here wrote (npm's ws), which sends every message back; what it lets through is limited by
// nothing but memory. Run by tests/suite/streams/conformance.rs.
import { WebSocketServer } from 'ws';

const server = new WebSocketServer({
  host: '127.0.0.1',
  port: 0,
  perMessageDeflate: true,
  maxPayload: 0,
  maxFragments: 0,
  maxBufferedChunks: 0,
});
server.on('connection', (socket) => {
  socket.on('error', () => {});
  socket.on('message', (message, binary) => socket.send(message, { binary }));
});
server.on('listening', () => console.log(`ready 127.0.0.1:${server.address().port}`));
