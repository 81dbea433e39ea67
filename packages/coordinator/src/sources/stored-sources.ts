import {
  decodeNix32,
  fixedOutputStorePath,
  formatContentAddress,
  storePathBase,
  type Hash,
  type OrganizationId,
} from "@gradient/protocol";
import type { CachedPath } from "../db/cache-path-repository.ts";
import { addEvaluationTags } from "../db/tag-repository.ts";
import { insertCommit, insertEvaluation } from "../db/new-evaluation-repository.ts";
import { BadRequestError, ConflictError, UnavailableError, UnprocessableError } from "../errors.ts";
import { priorityIn } from "../evaluations/start-evaluation.ts";
import type { NarIntake } from "../intake/nar-intake.ts";
import {
  applyPublication,
  type Publication,
  type PublicationPlanner,
} from "../intake/publication.ts";
import type { SourceEvaluation, Sources, StartedSourceEvaluation, StoredSource } from "../ports.ts";
import type { Change, ChangeFacts } from "../queue/change.ts";
import { storePathOf } from "../rules/input-override.ts";
import { buildRequestProject } from "./build-request-project.ts";

/** Facts that change while a publication is prepared make it void; more than so many times in a row they do not. */
const MAX_PLANS = 5;

/** What stands for the commit of a tree that no repository has. */
const NO_COMMIT = { hash: "0".repeat(40), message: "", authorName: "", authorEmail: "" };

export interface StoredSourcesOptions {
  readonly nars: NarIntake;
  readonly publications: PublicationPlanner;
  readonly changes: ChangeFacts;
  /** Whether a cache that the organization may read shows the path. */
  readonly isVisible: (organization: OrganizationId, base: string) => boolean;
  /** Looks at once whether somebody can evaluate it. */
  readonly review: (organization: OrganizationId) => Promise<void>;
}

/** Makes evaluations of trees that clients upload. */
export class StoredSources implements Sources {
  readonly #options: StoredSourcesOptions;

  constructor(options: StoredSourcesOptions) {
    this.#options = options;
  }

  async store(organization: OrganizationId, nar: AsyncIterable<Uint8Array>): Promise<StoredSource> {
    try {
      const { narHash, narSize } = await this.#options.nars.pack(organization, nar);
      const path = fixedOutputStorePath("source", { method: "recursive", hash: hashOf(narHash) });
      return { organization, base: storePathBase(path), narHash, narSize };
    } catch (error) {
      if (!(error instanceof UnprocessableError)) throw error;
      throw new BadRequestError(`the source cannot be used: ${error.message}`, {
        code: error.code,
        cause: error,
      });
    }
  }

  async evaluate(request: SourceEvaluation): Promise<StartedSourceEvaluation> {
    const { changes, review } = this.#options;
    const { organization } = request.source;
    this.#refuseUnknownPaths(request);
    for (let plans = 0; plans < MAX_PLANS; plans++) {
      const publication = await this.#plan(request.source);
      const started = await changes(async (change) => {
        const isShown = await applyPublication(change, publication, null, "shown");
        return isShown ? queue(change, request) : null;
      });
      if (started === null) continue;
      await review(organization);
      return started;
    }
    throw new UnavailableError("the organization's caches change too fast; try again");
  }

  /** A worker has paths of others as well. */
  #refuseUnknownPaths({ source, inputOverrides }: SourceEvaluation): void {
    for (const override of inputOverrides) {
      const path = storePathOf(override);
      if (path === null) continue;
      const base = path.slice("/nix/store/".length);
      if (this.#options.isVisible(source.organization, base)) continue;
      throw new BadRequestError(
        `input "${override.input}" cannot be ${path}: no cache of the organization has it`,
      );
    }
  }

  async #plan(source: StoredSource): Promise<Publication> {
    try {
      return await this.#options.publications.plan(source.organization, [pathOf(source)]);
    } catch (error) {
      if (!(error instanceof UnprocessableError) || error.code !== "no_cache") throw error;
      throw new ConflictError(error.message, { code: error.code, cause: error });
    }
  }
}

async function queue(change: Change, request: SourceEvaluation): Promise<StartedSourceEvaluation> {
  const { kysely, now, news } = change;
  const { source, project, wildcard, inputOverrides, triggeredBy, record } = request;
  const { organization, base } = source;
  const { tags = {}, settings } = request;
  const projectId =
    project === null ? null : await buildRequestProject(change, organization, triggeredBy);
  const commit = await insertCommit(kysely, NO_COMMIT, now);
  const { id } = await insertEvaluation(
    kysely,
    {
      organization,
      project: projectId,
      repository: `/nix/store/${base}`,
      wildcard,
      priority: priorityIn("interactive"),
      triggeredBy,
      source: { base, commitId: commit },
      inputOverrides,
      ...(settings === undefined ? {} : { settings }),
    },
    now,
  );
  await addEvaluationTags(kysely, { id, organizationId: organization, tags });
  await record(kysely, id, now);
  news.tasks.add(id);
  return { evaluation: id, project: projectId, commit };
}

/** A tree refers to nothing; its own contents vouch for its path. */
function pathOf({ base, narHash, narSize }: StoredSource): CachedPath {
  return {
    path: base,
    narHash,
    narSize,
    references: [],
    deriver: null,
    ca: formatContentAddress({ method: "recursive", hash: hashOf(narHash) }),
    signatures: [],
  };
}

function hashOf(narHash: string): Hash {
  return { algorithm: "sha256", digest: decodeNix32(narHash) };
}
