/** A page of a few sentences or a form, whose HTML was made elsewhere. */
export interface FormView {
  readonly kind: "form";
  readonly title: string;
  /** Escaped where it has to be. */
  readonly html: string;
  /** Sentences and forms stand in a narrow column, tables and logs have all the room. */
  readonly width: "narrow" | "wide";
}
