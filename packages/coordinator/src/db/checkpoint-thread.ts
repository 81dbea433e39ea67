import Sqlite from "better-sqlite3";
import { parentPort, workerData } from "node:worker_threads";

/** Entry of a thread that copies a database's log into the database, once for each message `copy`, and says when it is done; until `end`. */
const port = parentPort;
if (port === null) throw new Error("this file is the entry of a worker thread");
const connection = new Sqlite(String(workerData));
// Before the log is used again, what was copied out of it has to be on the disk.
connection.pragma("synchronous = NORMAL");
port.on("message", (message: "copy" | "end") => {
  if (message === "end") {
    connection.close();
    port.close();
    return;
  }
  // Passive: it waits for nobody, and nobody for it.
  connection.pragma("wal_checkpoint(PASSIVE)");
  port.postMessage(null);
});
