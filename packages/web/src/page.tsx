import type { ComponentChildren } from "preact";
import type { Crumb } from "./frame/frame.ts";
import { Build } from "./pages/build.tsx";
import { Dashboard } from "./pages/dashboard.tsx";
import { Evaluation } from "./pages/evaluation.tsx";
import { Failure } from "./pages/failure.tsx";
import { Form } from "./pages/form.tsx";
import { Home } from "./pages/home.tsx";
import { Jobset } from "./pages/jobset.tsx";
import { Log } from "./pages/log.tsx";
import { Machine } from "./pages/machine.tsx";
import { Metrics } from "./pages/metrics.tsx";
import { Search } from "./pages/search.tsx";
import { Status } from "./pages/status.tsx";
import { Workers } from "./pages/workers.tsx";
import type { FailureView } from "./views/failure.ts";
import type { FormView } from "./views/form.ts";
import type { MachineView } from "./views/machine.ts";
import type { MetricsView } from "./views/metrics.ts";
import type { SearchView } from "./views/search.ts";
import type { StatusView } from "./views/status.ts";
import type { WorkersView } from "./views/workers.ts";
import type { PageView } from "./views/page-view.ts";

export interface PageParts {
  readonly title: string;
  /** The way here from the front page, without the front page. */
  readonly crumbs: readonly Crumb[];
  readonly content: ComponentChildren;
  /** Address of the page's feed. */
  readonly feed?: string;
  /** What was searched for. */
  readonly query?: string;
}

/** A page's name, its place and its content. */
export function partsOf(view: PageView): PageParts {
  switch (view.kind) {
    case "home":
      return { title: "Projects", crumbs: [], content: <Home view={view} /> };
    case "jobset":
      return {
        title: view.name,
        crumbs: [PROJECTS, here(view.name)],
        content: <Jobset view={view} />,
        feed: `/events/rss?specification=${encodeURIComponent(view.name)}`,
      };
    case "evaluation":
      return {
        title: `Evaluation #${view.number} of ${view.jobset}`,
        crumbs: [PROJECTS, toJobset(view.jobset), here(`#${view.number}`)],
        content: <Evaluation view={view} />,
      };
    case "dashboard":
      return {
        title: `Dashboard of ${view.jobset} #${view.evaluation}`,
        crumbs: [PROJECTS, toJobset(view.jobset), toEvaluation(view.evaluation), here("Dashboard")],
        content: <Dashboard view={view} />,
      };
    case "build":
      return {
        title: `${view.job ?? view.name} #${view.number}`,
        crumbs: [
          PROJECTS,
          toJobset(view.jobset),
          toEvaluation(view.evaluation),
          here(view.job ?? view.name),
        ],
        content: <Build view={view} />,
      };
    case "log":
      return {
        title: `Log of ${view.title}`,
        crumbs: [
          PROJECTS,
          toJobset(view.jobset),
          toEvaluation(view.evaluation),
          { text: view.title, to: `/build/${view.number}/details` },
          here("Log"),
        ],
        content: <Log view={view} />,
      };
    default:
      return plainParts(view);
  }
}

type PlainView =
  | SearchView
  | WorkersView
  | MachineView
  | StatusView
  | MetricsView
  | FailureView
  | FormView;

function plainParts(view: PlainView): PageParts {
  switch (view.kind) {
    case "search":
      return { title: "Search", crumbs: [], content: <Search view={view} />, query: view.query };
    case "workers":
      return { title: "Workers", crumbs: [], content: <Workers view={view} /> };
    case "machine": {
      const { name } = view.worker;
      const crumbs = [{ text: "Workers", to: "/workers" }, here(name)];
      return { title: name, crumbs, content: <Machine view={view} /> };
    }
    case "status":
      return { title: "Running builds", crumbs: [], content: <Status view={view} /> };
    case "metrics":
      return { title: "Metrics", crumbs: [], content: <Metrics view={view} /> };
    case "failure":
      return { title: view.title, crumbs: [], content: <Failure view={view} /> };
    case "form":
      return { title: view.title, crumbs: [], content: <Form view={view} /> };
  }
}

const PROJECTS: Crumb = { text: "Projects", to: "/" };

function here(text: string): Crumb {
  return { text, to: null };
}

function toJobset(name: string): Crumb {
  return { text: name, to: `/jobset/${encodeURIComponent(name)}` };
}

function toEvaluation(number: number): Crumb {
  return { text: `#${number}`, to: `/eval/${number}` };
}
