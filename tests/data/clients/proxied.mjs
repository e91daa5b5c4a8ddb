import http from "node:http";
import https from "node:https";

const proxy = new URL(process.env.https_proxy);
const server = new URL(process.env.LAB_SERVER);
const target = `${server.hostname}:${server.port || 443}`;
const tunnel = http.request({
  host: proxy.hostname, port: proxy.port, method: "CONNECT", path: target, headers: { Host: target },
});
tunnel.on("connect", (answer, socket) => {
  const request = https.request(
    { host: server.hostname, path: "/node", method: "POST", agent: false, socket },
    (response) => { console.log(answer.statusCode, response.statusCode); response.resume(); });
  request.end("from node");
});
tunnel.end();
