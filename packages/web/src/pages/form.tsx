import type { FormView } from "../views/form.ts";

export function Form({ view }: { view: FormView }) {
  return (
    <div class={view.width === "narrow" ? "form" : undefined}>
      <h1>{view.title}</h1>
      <div dangerouslySetInnerHTML={{ __html: view.html }}></div>
    </div>
  );
}
