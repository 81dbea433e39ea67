import { loadConfig } from "../../config/load-config.ts";
import { createLogger } from "../../logger.ts";
import { readVersion } from "../../version.ts";
import type { Services } from "../api.ts";

/**
 * Services of an app that is only described and never answers: settings have their defaults, everything else may be kept by a route but not
 * used. A route that uses a service while it is added fails here and says which.
 */
export function describedServices(): Services {
  const known: Partial<Services> = {
    config: loadConfig({ flags: {}, env: {}, file: null }),
    logger: createLogger("silent"),
    serveUrl: "http://127.0.0.1:3000",
    stopping: new AbortController().signal,
    version: readVersion(),
  };
  const unusable = (name: string): object => {
    const refuse = (): never => {
      throw new Error(`a route used the service "${name}" while it was added`);
    };
    return new Proxy({}, { get: refuse, set: refuse, has: refuse });
  };
  // Whatever is asked for is there, so the proxy has every field of the interface.
  return new Proxy(known, {
    get: (target, name: string) =>
      name in target ? target[name as keyof Services] : unusable(name),
  }) as Services;
}
