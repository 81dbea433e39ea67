import type { FailureView } from "../views/failure.ts";

/** What is shown in the place of a page that cannot be; the message is the error's. */
export function Failure({ view }: { view: FailureView }) {
  return (
    <>
      <h1>{view.title}</h1>
      <p class="fault">{view.message}</p>
    </>
  );
}
