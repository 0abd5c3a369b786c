// mqtt.js: publishes numbered messages in rounds, each with a connection of its own, all with one session.
//
// client.js PORT VERSION QOS COUNT CLIENT TOPIC WINDOW ROUNDS; exit status 0 when each of them has its acknowledgement.
"use strict";

const mqtt = require("mqtt");

const [port, version, qos, count] = process.argv.slice(2, 6).map(Number);
const [clientId, topic] = process.argv.slice(6, 8);
const [window, rounds] = process.argv.slice(8, 10).map(Number);

function publishRound(first, end) {
  return new Promise((resolve, reject) => {
    const client = mqtt.connect({
      host: "127.0.0.1", port, protocolVersion: version, clientId, clean: false, reconnectPeriod: 20,
      properties: version === 5 ? { sessionExpiryInterval: 600 } : undefined,
    });
    let next = first, waiting = 0;
    const more = () => {
      while (next < end && waiting < window) {
        waiting++;
        client.publish(topic, JSON.stringify({ n: next++ }), { qos }, (error) => {
          if (error) {
            reject(error);
            return;
          }
          waiting--;
          if (next === end && waiting === 0) client.end(false, {}, resolve);
          else more();
        });
      }
    };
    client.once("connect", more);
    client.on("error", (error) => {
      if (!["ECONNREFUSED", "ECONNRESET", "EPIPE"].includes(error.code)) reject(error);
    });
  });
}

(async () => {
  for (let round = 0; round < rounds; round++)
    await publishRound(Math.floor(count * round / rounds), Math.floor(count * (round + 1) / rounds));
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
