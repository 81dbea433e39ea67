import WebSocket from "ws";
import { z } from "zod";
import { failure, good, reasonOf, warning, type Finding } from "./finding.ts";

const AREA = "serve URL";
const WAIT_MS = 10_000;
const answerSchema = z.object({
  error: z.literal(false),
  message: z.object({ version: z.string() }),
});

/** Whether users and workers reach the coordinator that runs here by the address that it tells them. */
export async function checkServeUrl(
  serveUrl: string,
  running: { readonly isServed: boolean; readonly version: string },
): Promise<Finding[]> {
  if (!running.isServed) {
    const remedy = "start it: gradient-coordinator serve";
    return [warning("coordinator", "none runs on this data directory", remedy)];
  }
  const findings = [good("coordinator", "one runs on this data directory")];
  const found = await askVersion(serveUrl);
  if ("fault" in found) {
    const remedy = "look at DNS, the proxy and its certificate; --serve-url has to be its address";
    return [...findings, failure(AREA, `${serveUrl} does not answer: ${found.fault}`, remedy)];
  }
  if (found.version !== running.version) {
    findings.push(
      failure(
        AREA,
        `release ${found.version} answers at ${serveUrl}, and this is ${running.version}`,
        "restart the coordinator after an upgrade, or correct --serve-url",
      ),
    );
  } else {
    findings.push(good(AREA, `${serveUrl} answers`));
  }
  return [...findings, await checkSocket(serveUrl)];
}

async function askVersion(serveUrl: string): Promise<{ version: string } | { fault: string }> {
  try {
    const answer = await fetch(`${serveUrl}/api/v1/config`, {
      signal: AbortSignal.timeout(WAIT_MS),
    });
    if (!answer.ok) return { fault: `status ${answer.status}` };
    const parsed = answerSchema.safeParse(await answer.json());
    if (parsed.success) return parsed.data.message;
    return { fault: "the answer is not a coordinator's" };
  } catch (error) {
    return { fault: reasonOf(error) };
  }
}

/** Workers and live pages need it. */
async function checkSocket(serveUrl: string): Promise<Finding> {
  const url = `${serveUrl.replace(/^http/, "ws")}/proto`;
  const socket = new WebSocket(url, { handshakeTimeout: WAIT_MS });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("open", resolve);
      socket.once("error", reject);
    });
    return good(AREA, `WebSockets get through to ${url}`);
  } catch (error) {
    return failure(
      AREA,
      `WebSockets do not get through to ${url}: ${reasonOf(error)}`,
      "let the proxy pass Upgrade and Connection on (nginx: proxyWebsockets, proxy_http_version 1.1)",
    );
  } finally {
    // What is refused after this is not of interest.
    socket.on("error", () => undefined);
    socket.terminate();
  }
}
