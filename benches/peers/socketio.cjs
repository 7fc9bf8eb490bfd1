// Socket.IO for `tricast lab peers`: one process, WebSocket alone, compression off, every event to every client.
const http = require("node:http");
const { Server } = require("socket.io");

const server = http.createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    io.emit("event", JSON.parse(Buffer.concat(parts)));
    response.writeHead(204).end();
  });
});
const io = new Server(server, {
  transports: ["websocket"],
  perMessageDeflate: false,
  httpCompression: false,
  serveClient: false,
});
server.keepAliveTimeout = 3_600_000;
server.requestTimeout = 0;
server.listen({ host: "127.0.0.1", port: 0, backlog: 4096 }, () => {
  console.log(`listening 127.0.0.1:${server.address().port}`);
});
