/** Text that is HTML already. Made by the `html` tag alone. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export type HtmlValue = string | number | Html | null;

/** HTML from a template: what is put in is escaped, in text and in quoted attributes, unless it is HTML already; null is nothing. */
export function html(strings: TemplateStringsArray, ...values: HtmlValue[]): Html {
  const parts = strings.map((literal, at) => literal + toHtml(values[at] ?? null));
  return new Html(parts.join(""));
}

function toHtml(value: HtmlValue): string {
  if (value === null) return "";
  return value instanceof Html ? value.text : escapeHtml(String(value));
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? "");
}
