import { createHash } from "node:crypto";
import {
  encodeNix32,
  formatNix32Hash,
  hashBytes,
  parseDerivation,
  derivationStorePath,
  ProtocolError,
  readDerivationFacts,
  singleFileNar,
  sortedPaths,
  storePathBase,
  type OrganizationId,
} from "@gradient/protocol";
import { compress } from "zstd-napi";
import type { CachedPath } from "../db/cache-path-repository.ts";
import type { Queries } from "../db/client.ts";
import {
  findDerivationIds,
  insertDerivations,
  type NewDerivation,
} from "../db/derivation-repository.ts";
import { UnavailableError, UnprocessableError } from "../errors.ts";
import type { ChangeFacts } from "../queue/change.ts";
import { NarInspection } from "./nar-inspection.ts";
import type { NarIntake, PackedNar } from "./nar-intake.ts";
import { applyPublication, type PublicationPlanner } from "./publication.ts";
import { visibilityOf } from "./take-paths.ts";
import type { TransferGrant } from "./transfer-access.ts";
import { readBundle, type BundleEntry } from "./read-bundle.ts";
import { Turns } from "./turns.ts";

/** So many derivations become durable and visible in one transaction. */
const BATCH_ENTRIES = 100;
const BATCH_BYTES = 4 * 1024 * 1024;
const MAX_PLANS = 5;

export interface DerivationIntakeOptions {
  readonly kysely: Queries;
  readonly nars: NarIntake;
  readonly publications: PublicationPlanner;
  readonly changes: ChangeFacts;
}

/** A derivation with its file, ready to be stored. */
interface TakenDerivation {
  readonly derivation: NewDerivation;
  readonly nar: PackedNar;
  readonly path: CachedPath;
}

/**
 * Takes a bundle of `.drv` files, named by the base name of their paths, inputs before what uses them. Each file is parsed here, and its name
 * has to follow from its contents. Inputs and sources have to be known already or come earlier. What was accepted before a fault stays.
 * Resolves to the number of files. Throws UnprocessableError that names the file at fault.
 */
export async function takeDerivations(
  options: DerivationIntakeOptions,
  granted: Pick<TransferGrant, "organization" | "evaluation">,
  body: AsyncIterable<Uint8Array>,
): Promise<number> {
  const turns = new Turns();
  let accepted = 0;
  let batch: TakenDerivation[] = [];
  let bytes = 0;
  const flush = async (): Promise<void> => {
    await storeBatch(options, granted, batch);
    accepted += batch.length;
    batch = [];
    bytes = 0;
  };
  for await (const entry of readBundle(body)) {
    batch.push(takeEntry(entry));
    bytes += entry.contents.length;
    await turns.giveWay();
    if (batch.length >= BATCH_ENTRIES || bytes >= BATCH_BYTES) await flush();
  }
  if (batch.length > 0) await flush();
  return accepted;
}

function takeEntry({ name, contents }: BundleEntry): TakenDerivation {
  try {
    return readEntry(name, contents);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new UnprocessableError(`derivation '${name}' is refused: ${error.message}`, {
      code: "bad_derivation",
      cause: error,
    });
  }
}

function readEntry(name: string, contents: Buffer): TakenDerivation {
  const derivation = parseDerivation(contents);
  // The name of the file without its hash, `<32 characters>-`.
  const drvPath = storePathBase(derivationStorePath(name.slice(33), derivation, contents));
  if (drvPath !== name) {
    throw new UnprocessableError(
      `derivation '${name}' is refused: by its contents its name is '${drvPath}'`,
      {
        code: "bad_derivation",
      },
    );
  }
  const references = sortedPaths([...derivation.inputSrcs, ...derivation.inputDrvs.keys()]).map(
    storePathBase,
  );
  const nar = packFile(contents);
  return {
    nar,
    path: {
      path: drvPath,
      narHash: nar.object.narHash,
      narSize: nar.object.narSize,
      references,
      deriver: null,
      ca: `text:${formatNix32Hash(hashBytes("sha256", contents))}`,
      signatures: [],
    },
    derivation: {
      drvPath,
      name: drvPath.slice(33, -".drv".length),
      facts: readDerivationFacts(derivation),
      outputs: [...derivation.outputs].map(([output, { path }]) => ({
        name: output,
        path: path === null ? null : storePathBase(path),
      })),
      inputs: [...derivation.inputDrvs].map(([input, outputs]) => ({
        drvPath: storePathBase(input),
        outputs,
      })),
      sources: derivation.inputSrcs.map(storePathBase),
    },
  };
}

function packFile(contents: Buffer): PackedNar {
  const nar = singleFileNar(contents);
  const inspection = new NarInspection(nar.length);
  inspection.write(nar);
  const bytes = compress(nar);
  const fileHash = encodeNix32(createHash("sha256").update(bytes).digest());
  return { bytes, object: { ...inspection.finish(), fileHash, fileSize: bytes.length } };
}

async function storeBatch(
  options: DerivationIntakeOptions,
  granted: Pick<TransferGrant, "organization" | "evaluation">,
  entries: readonly TakenDerivation[],
): Promise<void> {
  const { organization } = granted;
  const { kysely, nars, publications, changes } = options;
  // The same file twice is one derivation.
  const batch = [...new Map(entries.map((entry) => [entry.derivation.drvPath, entry])).values()];
  await checkInputs(kysely, organization, batch);
  await nars.add(batch.map(({ nar }) => nar));
  const paths = batch.map(({ path }) => path);
  const derivations = batch.map(({ derivation }) => derivation);
  for (let plans = 0; plans < MAX_PLANS; plans++) {
    const publication = await publications.plan(organization, paths);
    const isStored = await changes(async (change) => {
      const visibility = await visibilityOf(change.kysely, granted);
      if (!(await applyPublication(change, publication, null, visibility))) return false;
      await insertDerivations(change.kysely, organization, derivations, change.now);
      return true;
    });
    if (isStored) return;
  }
  throw new UnavailableError("the organization's caches change too fast; try again");
}

/** Inputs have to be known, or to come earlier. */
async function checkInputs(
  kysely: Queries,
  organization: OrganizationId,
  batch: readonly TakenDerivation[],
): Promise<void> {
  const inputs = new Set(
    batch.flatMap(({ derivation }) => derivation.inputs.map(({ drvPath }) => drvPath)),
  );
  const known = await findDerivationIds(kysely, organization, inputs);
  const earlier = new Set<string>();
  for (const { derivation } of batch) {
    for (const { drvPath } of derivation.inputs) {
      if (known.has(drvPath) || earlier.has(drvPath)) continue;
      throw new UnprocessableError(
        `derivation '${derivation.drvPath}' needs '${drvPath}', which is not known: send inputs first`,
        { code: "unknown_input" },
      );
    }
    earlier.add(derivation.drvPath);
  }
}
