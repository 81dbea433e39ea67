/** What is told to those who watch: something changed, look again. Statuses are the API's numbers. */
export type LiveFrame =
  | {
      readonly type: "evaluation_status_changed";
      readonly project: string | null;
      readonly evaluation_id: string;
      readonly status: number;
    }
  | {
      readonly type: "build_status_changed";
      readonly evaluation_id: string;
      readonly build_id: string;
      readonly status: number;
    }
  /** Builds or entry points were added. */
  | {
      readonly type: "evaluation_progress";
      readonly project: string | null;
      readonly evaluation_id: string;
    };

/** What somebody watches: one evaluation, or the newest of a project. */
export type LiveScope =
  | { readonly kind: "evaluation"; readonly id: string }
  | { readonly kind: "project"; readonly id: string };
