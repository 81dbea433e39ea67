import type { AssignmentId } from "@gradient/protocol";

/** What a build that is offered ahead waits for: the build that makes its last input, in this store. */
export class Ahead {
  readonly input: AssignmentId;
  /** Derivation of that build. */
  readonly drvPath: string;
  /** Resolves when it is built, and never when it is not. */
  readonly built: Promise<void>;
  #resolve: () => void = () => undefined;
  #isBuilt = false;

  constructor(input: AssignmentId, drvPath: string) {
    this.input = input;
    this.drvPath = drvPath;
    this.built = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  get isBuilt(): boolean {
    return this.#isBuilt;
  }

  noteBuilt(): void {
    this.#isBuilt = true;
    this.#resolve();
  }
}
