const RETRY_MS = 5000;
/** Changes that come together are looked at together, and a busy evaluation is looked at this often. */
const GATHER_MS = 1000;

/** Calls `onChange` whenever the server tells, on the address of live frames, that something changed. Goes on after a lost connection. */
export function watchChanges(path: string, onChange: () => Promise<void>): void {
  const url = new URL(path, location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  const look = gathered(onChange);
  const connect = (isFirst: boolean): void => {
    const socket = new WebSocket(url);
    socket.addEventListener("open", () => {
      if (!isFirst) look();
    });
    socket.addEventListener("message", look);
    socket.addEventListener("close", ({ code }) => {
      // 1008: may not be seen any more.
      if (code !== 1008) setTimeout(connect, RETRY_MS, false);
    });
  };
  connect(true);
}

/** Runs the action once for all calls of a while, never twice at a time. */
function gathered(action: () => Promise<void>): () => void {
  let isAsked = false;
  let isBusy = false;
  const run = async (): Promise<void> => {
    isBusy = true;
    while (isAsked) {
      await new Promise((resolve) => setTimeout(resolve, GATHER_MS));
      isAsked = false;
      // What fails (a server that restarts) is told by the next change.
      await action().catch(() => undefined);
    }
    isBusy = false;
  };
  return () => {
    isAsked = true;
    if (!isBusy) void run();
  };
}
