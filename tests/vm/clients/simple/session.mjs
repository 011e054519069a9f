// SPDX-License-Identifier: MIT OR Apache-2.0
// Node's bindings: pcsc-mini (its own wait in a thread, ended by SCardCancel) and @pokusew/pcsclite.
import { createRequire } from "node:module";
const require = createRequire(process.env.NODE_CLIENTS + "/");
const hex = (bytes) => Buffer.from(bytes).toString("hex").toUpperCase();

function mini() {
  const pcsc = require("pcsc-mini");
  const { CardDisposition, CardMode } = pcsc;
  const client = new pcsc.Client();
  return new Promise((resolve, reject) => {
    client.on("error", reject);
    client.on("reader", (reader) => {
      console.log("pcsc-mini", String(reader));
      let used = false;
      reader.on("change", async (status) => {
        if (!status.has(pcsc.ReaderStatus.PRESENT) || used) return;
        used = true;
        try {
          const card = await reader.connect(CardMode.SHARED);
          console.log(hex(await card.transmit(Uint8Array.of(0x00, 0xc0, 0x00, 0x00, 0x10))));
          await card.disconnect(CardDisposition.LEAVE);
          client.stop();
          resolve();
        } catch (error) {
          reject(error);
        }
      });
    });
    client.start();
  });
}

function pcsclite() {
  const pcsc = require("@pokusew/pcsclite")();
  return new Promise((resolve, reject) => {
    pcsc.on("error", reject);
    pcsc.on("reader", (reader) => {
      console.log("pcsclite", reader.name);
      let used = false;
      reader.on("error", reject);
      reader.on("status", (status) => {
        if (!(status.state & reader.SCARD_STATE_PRESENT) || used) return;
        used = true;
        console.log(hex(status.atr));
        reader.connect({ share_mode: reader.SCARD_SHARE_SHARED }, (error, protocol) => {
          if (error) return reject(error);
          reader.transmit(Buffer.from("80EE123408", "hex"), 40, protocol, (failed, answer) => {
            if (failed) return reject(failed);
            console.log(protocol, hex(answer));
            reader.disconnect(reader.SCARD_LEAVE_CARD, () => {
              reader.close();
              pcsc.close();
              resolve();
            });
          });
        });
      });
    });
  });
}

await mini();
await pcsclite();
console.log("done");
