/** An event as receivers are told of it. */
export interface ActionNews {
  /** The same for every try. */
  readonly delivery: string;
  readonly event: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly organization: string;
  readonly project: string;
  /** Of the evaluation or build, as the API names it. */
  readonly state: string;
  readonly evaluationId: string | null;
  readonly evaluationNumber: number | null;
  readonly buildId: string | null;
  readonly derivation: string | null;
  readonly revision: string | null;
  readonly pullRequest: number | null;
  /** A test: nothing has happened. */
  readonly isSynthetic: boolean;
}

/** Body of a web request: Gradient's five fields, and what its receivers would ask for next. */
export function requestOf(news: ActionNews, serveUrl: string) {
  return {
    event: news.event,
    project: news.project,
    organization: news.organization,
    id: idOf(news),
    status: statusOf(news),
    at: new Date(news.at).toISOString(),
    state: news.state,
    evaluation: news.evaluationId,
    build: news.buildId,
    derivation: news.derivation,
    commit: news.revision,
    pr_number: news.pullRequest,
    url: urlOf(news, serveUrl),
    ...(news.isSynthetic ? { synthetic: true } : {}),
  };
}

const SUBJECT = "[Gradient] {event}: {project}";

/** A mail in plain text; the subject is one line. */
export function mailOf(
  news: ActionNews,
  template: string | null,
  serveUrl: string,
): { subject: string; text: string } {
  const values: Readonly<Record<string, string>> = {
    event: news.event,
    project: news.project,
    org: news.organization,
    id: idOf(news) ?? "",
    status: statusOf(news),
  };
  const subject = (template ?? SUBJECT).replaceAll(
    /\{(\w+)\}/g,
    (placeholder, name: string) => values[name] ?? placeholder,
  );
  const lines = [
    ...(news.isSynthetic ? ["This is a test: nothing has happened.", ""] : []),
    `Event:    ${news.event}`,
    `Project:  ${news.organization}/${news.project}`,
    `Status:   ${news.state}`,
    ...(news.derivation === null ? [] : [`Build:    ${news.derivation}`]),
    ...(news.revision === null ? [] : [`Commit:   ${news.revision}`]),
    ...(news.pullRequest === null ? [] : [`Pull request: ${news.pullRequest}`]),
    `ID:       ${idOf(news) ?? "none"}`,
    "",
    urlOf(news, serveUrl),
  ];
  return { subject, text: `${lines.join("\n")}\n` };
}

function idOf({ buildId, evaluationId }: ActionNews): string | null {
  return buildId ?? evaluationId;
}

/** The event's own word: `failed` of `build.failed`. */
function statusOf({ event }: ActionNews): string {
  return event.slice(event.indexOf(".") + 1);
}

function urlOf({ evaluationNumber }: ActionNews, serveUrl: string): string {
  return evaluationNumber === null ? serveUrl : `${serveUrl}/eval/${evaluationNumber}`;
}
