import { parentPort, workerData } from "node:worker_threads";
import { deleteUnusedNars } from "../db/collection-repository.ts";
import { CollectionView } from "../db/collection-view.ts";
import { openThreadDatabase } from "../db/thread-database.ts";
import type { FromPass, PassThreadData, ToPass } from "./pass-messages.ts";
import type { IsPromised, PassTools } from "./pass-tools.ts";
import { runPass } from "./pass.ts";
import { noProgress } from "./progress.ts";

const TELL_MS = 500;

/** Entry of a thread that makes one pass over caches, so that whoever is answered meanwhile waits for none of it. */
const port = parentPort;
if (port === null) throw new Error("this file is the entry of a worker thread");
const { file, job } = workerData as PassThreadData;
const stopping = new AbortController();
const progress = noProgress();
let answered: (isPromised: IsPromised) => void = () => undefined;
let unanswered: (reason: unknown) => void = () => undefined;

port.on("message", (message: ToPass) => {
  if (message.type === "stop") {
    stopping.abort();
    unanswered(stopping.signal.reason);
    return;
  }
  const promised = new Set(message.promised);
  answered((path) => promised.has(path));
});

function tell(message: FromPass): void {
  port?.postMessage(message);
}

function ask(message: FromPass): Promise<IsPromised> {
  return new Promise((resolve, reject) => {
    answered = resolve;
    unanswered = reject;
    tell(message);
  });
}

function toolsOf({ kysely, prepare }: ReturnType<typeof openThreadDatabase>): PassTools {
  return {
    kysely,
    view: new CollectionView({ prepare }),
    progress,
    signal: stopping.signal,
    isPromised: (paths) => ask({ type: "ask", paths }),
    release: async (release, remove) => {
      const isPromised = await ask({ type: "release", ...release });
      const released = await kysely.transaction().execute(async (tx) => {
        const result = await remove(tx, isPromised);
        return { result, gone: await deleteUnusedNars(tx, release.narHashes) };
      });
      tell({ type: "released", gone: released.gone });
      return released;
    },
  };
}

const telling = setInterval(() => tell({ type: "progress", progress }), TELL_MS);
try {
  await using database = openThreadDatabase(file);
  await runPass(job, toolsOf(database));
} catch (error) {
  if (!stopping.signal.aborted) throw error;
} finally {
  clearInterval(telling);
  tell({ type: "progress", progress });
  port.close();
}
