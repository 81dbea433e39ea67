import type { Route } from "../../api.ts";
import { getStaticRoute } from "./get-static.ts";

/** Pages for browsers, and what they load. */
export const pageRoutes: readonly Route[] = [getStaticRoute];
