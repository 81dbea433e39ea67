import { AnswerCheck } from "@gradient/coordinator/testing";
import { request, type Dispatcher } from "undici";

/** Holds answers of a server against the OpenAPI document that it serves itself. */
export class DescribedAnswers {
  readonly #url: string;
  #document: Promise<AnswerCheck> | null = null;

  constructor(url: string) {
    this.#url = url;
  }

  /** `path` begins behind `/api/v1`. Throws UndescribedAnswerError. */
  async check(
    method: string,
    path: string,
    { statusCode, headers }: Pick<Dispatcher.ResponseData, "statusCode" | "headers">,
    text: string,
  ): Promise<void> {
    const document = await (this.#document ??= this.#read());
    const contentType = String(headers["content-type"]);
    document.check({ method, path: `/api/v1${path}`, status: statusCode, contentType, text });
  }

  async #read(): Promise<AnswerCheck> {
    const response = await request(`${this.#url}/api/v1/openapi.json`);
    return new AnswerCheck((await response.body.json()) as object);
  }
}
