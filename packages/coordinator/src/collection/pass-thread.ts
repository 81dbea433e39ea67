import { unlinkSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { deleteUnusedNars } from "../db/collection-repository.ts";
import { CollectionView } from "../db/collection-view.ts";
import { withThreadDatabase, type ThreadDatabase } from "../db/thread-database.ts";
import { isMissing } from "../error-facts.ts";
import { ThreadReplies } from "../thread-replies.ts";
import type { FromPass, PassThreadData, ToPass } from "./pass-messages.ts";
import type { IsPromised, PassTools } from "./pass-tools.ts";
import { runPass } from "./pass.ts";
import { noProgress } from "./progress.ts";

const TELL_MS = 500;
/** It reads much, again and again. */
const CACHE_KB = 64_000;

/** Entry of a thread that makes one pass over caches, so that whoever is answered meanwhile waits for none of it. */
const port = parentPort;
if (port === null) throw new Error("this file is the entry of a worker thread");
const { file, job } = workerData as PassThreadData;
const stopping = new AbortController();
const progress = noProgress();
const answers = new ThreadReplies<readonly string[]>();
const endings = new ThreadReplies<null>();

port.on("message", (message: ToPass) => {
  switch (message.type) {
    case "answer":
      answers.give(message.promised);
      return;
    case "unlink":
      for (const each of message.files) unlink(each);
      tell({ type: "unlinked" });
      return;
    case "stop":
      stopping.abort();
      answers.end(stopping.signal.reason);
      return;
    case "end":
      endings.give(null);
  }
});

function tell(message: FromPass): void {
  port?.postMessage(message);
}

async function ask(message: FromPass): Promise<IsPromised> {
  const answer = answers.next();
  tell(message);
  const promised = new Set(await answer);
  return (path) => promised.has(path);
}

function unlink(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

function toolsOf({ kysely, prepare }: ThreadDatabase): PassTools {
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
  await withThreadDatabase({ file, cacheKb: CACHE_KB }, (database) =>
    runPass(job, toolsOf(database)),
  );
} catch (error) {
  if (!stopping.signal.aborted) throw error;
} finally {
  clearInterval(telling);
  const ending = endings.next();
  tell({ type: "progress", progress });
  tell({ type: "done" });
  await ending;
  port.close();
}
