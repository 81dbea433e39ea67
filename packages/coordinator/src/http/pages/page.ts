import type { FastifyReply } from "fastify";
import type { Html } from "./html.ts";
import { sendView } from "./send-view.ts";

export interface Page {
  title: string;
  content: Html;
  status?: number;
  /** `narrow` for sentences and forms. */
  width?: "narrow" | "wide";
}

/** Answers with a page of a few sentences, or a form. Nobody keeps it: it may hold what a form has to send. */
export function sendPage(reply: FastifyReply, page: Page): Promise<FastifyReply> {
  const { title, content, status = 200, width = "narrow" } = page;
  const view = { kind: "form", title, html: content.text, width } as const;
  return sendView(reply, view, { status, cacheControl: "no-store" });
}
