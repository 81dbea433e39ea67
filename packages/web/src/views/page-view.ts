import type { BuildView } from "./build.ts";
import type { DashboardView } from "./dashboard.ts";
import type { EvaluationView } from "./evaluation.ts";
import type { FailureView } from "./failure.ts";
import type { FormView } from "./form.ts";
import type { HomeView } from "./home.ts";
import type { JobsetView } from "./jobset.ts";
import type { LogView } from "./log.ts";
import type { MachineView } from "./machine.ts";
import type { MetricsView } from "./metrics.ts";
import type { SearchView } from "./search.ts";
import type { StatusView } from "./status.ts";
import type { WorkersView } from "./workers.ts";

/** What a page shows; each kind of page has its component. */
export type PageView =
  | HomeView
  | JobsetView
  | EvaluationView
  | DashboardView
  | BuildView
  | LogView
  | SearchView
  | WorkersView
  | MachineView
  | StatusView
  | MetricsView
  | FailureView
  | FormView;
