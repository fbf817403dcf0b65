-- rolegate's decision for HAProxy: asks for it, and says what the application hears. See haproxy.cfg.

local ROLEGATE = "http://127.0.0.1:4180/oauth2/auth"
-- What the application is told; add those of identity.headers, user_headers, roles_headers and [assertion]. Cookie: without
-- the gate's own.
local HANDED = { "x-user", "x-roles", "cookie", "x-request-id" }
-- Headers of the connection, and of a body that is not sent.
local KEPT_BACK = {
  ["connection"] = true, ["keep-alive"] = true, ["te"] = true, ["upgrade"] = true, ["host"] = true, ["expect"] = true,
  ["transfer-encoding"] = true, ["content-length"] = true, ["x-original-method"] = true, ["x-original-url"] = true,
}

core.register_action("rolegate", { "http-req" }, function(txn)
  local asked, headers = txn.http:req_get_headers(), {}
  for name, values in pairs(asked) do
    if not KEPT_BACK[name] then
      headers[name] = {}
      for _, value in pairs(values) do table.insert(headers[name], value) end
    end
  end
  -- A number before HAProxy 3.1, a boolean since.
  local tls = txn.f:ssl_fc()
  local scheme = (tls == 1 or tls == true) and "https" or "http"
  headers["x-original-method"] = { txn.f:method() }
  headers["x-original-url"] = { scheme .. "://" .. (txn.f:req_fhdr("host") or "") .. (txn.f:pathq() or "") }

  local answer = core.httpclient():get({ url = ROLEGATE, headers = headers, timeout = 5000 })
  -- Whatever is not a yes is a no; so is an error, which ends this function before the variable is set.
  if not answer or answer.status ~= 200 then return end
  local told = {}
  for name, values in pairs(answer.headers) do told[string.lower(name)] = values end
  for _, name in ipairs(HANDED) do
    txn.http:req_del_header(name)
    for _, value in pairs(told[name] or {}) do txn.http:req_add_header(name, value) end
  end
  txn:set_priv(told["set-cookie"])
  txn:set_var("txn.rolegate", "yes")
end, 0)

core.register_action("rolegate_cookies", { "http-res" }, function(txn)
  for _, line in pairs(txn:get_priv() or {}) do txn.http:res_add_header("set-cookie", line) end
end, 0)
