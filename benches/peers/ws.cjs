// `ws` for `tricast lab peers`: one process, compression off, every message to every client.
const http = require("node:http");
const { WebSocketServer } = require("ws");

const server = http.createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    const message = Buffer.concat(parts);
    for (const client of sockets.clients) client.send(message, { binary: false });
    response.writeHead(204).end();
  });
});
const sockets = new WebSocketServer({ server, perMessageDeflate: false, clientTracking: true });
server.keepAliveTimeout = 3_600_000;
server.requestTimeout = 0;
server.listen({ host: "127.0.0.1", port: 0, backlog: 4096 }, () => {
  console.log(`listening 127.0.0.1:${server.address().port}`);
});
