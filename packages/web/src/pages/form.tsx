import type { FormView } from "../views/form.ts";

/** The server's own forms (sign-in, accounts). Their HTML was made with every value escaped. */
export function Form({ view }: { view: FormView }) {
  return (
    <div class={view.width === "narrow" ? "form" : undefined}>
      <h1>{view.title}</h1>
      <div dangerouslySetInnerHTML={{ __html: view.html }}></div>
    </div>
  );
}
