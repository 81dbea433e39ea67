import type { FailureView } from "../views/failure.ts";

export function Failure({ view }: { view: FailureView }) {
  return (
    <>
      <h1>{view.title}</h1>
      <p class="fault">{view.message}</p>
    </>
  );
}
