import { z } from "zod";

/**
 * What Gradient's command line client reads of each answer: fields that it cannot do without, written down from the description of its decoding
 * and not from this server. More fields are always well; ids and timestamps are only text to it.
 */

const text = z.string();
const int = z.number().int();
const named = z.object({ id: text, name: text });

function page<T extends z.ZodType>(item: T) {
  return z.object({ items: z.array(item), total: int, page: int, per_page: int });
}

export const user = z.object({
  id: text,
  username: text,
  name: text,
  email: text,
  superuser: z.boolean(),
});

export const deviceLogin = z.object({
  device_code: text,
  user_code: text,
  verification_uri: text,
  verification_uri_complete: text,
  expires_in: int,
  interval: int.nonnegative(),
});

export const namedPage = page(named);
export const namedList = z.array(named);

export const organization = z.object({
  id: text,
  name: text,
  display_name: text,
  description: text,
  public_key: text,
  created_by: text,
  created_at: text,
});

export const registeredWorker = z.object({ peer_id: text, token: text.optional() });

export const worker = z.object({
  worker_id: text,
  display_name: text,
  registered_at: text,
  active: z.boolean(),
  enable_fetch: z.boolean(),
  enable_eval: z.boolean(),
  enable_build: z.boolean(),
  live: z
    .object({
      capabilities: z.object({
        core: z.boolean(),
        federate: z.boolean(),
        fetch: z.boolean(),
        eval: z.boolean(),
        build: z.boolean(),
        cache: z.boolean(),
      }),
      architectures: z.array(text),
      system_features: z.array(text),
      max_concurrent_builds: int,
      assigned_job_count: int,
      draining: z.boolean(),
    })
    .nullish(),
});

export const evaluationSummary = z.object({
  id: text,
  commit: text,
  status: text,
  total_builds: int,
  builds: z.object({
    completed: int,
    failed: int,
    building: int,
    queued: int,
    substituted: int,
    aborted: int,
  }),
  errors: int,
  warnings: int,
  created_at: text,
  updated_at: text,
});

export const projectDetails = z.object({
  id: text,
  name: text,
  display_name: text,
  description: text,
  repository: text,
  wildcard: text,
  last_evaluations: z.array(evaluationSummary),
});

export const evaluation = z.object({
  id: text,
  repository: text,
  commit: text,
  wildcard: text,
  status: text,
  created_at: text,
  updated_at: text,
});

export const evaluationBuilds = z.object({
  builds: z.array(z.object({ id: text, name: text, status: text, updated_at: text })),
  total: int,
});

export const messages = z.array(
  z.object({
    id: text,
    level: text,
    message: text,
    created_at: text,
    source: text.nullish(),
    entry_points: z.array(text),
  }),
);

export const artefactTree = z.object({
  evaluation: text,
  created_at: text,
  entry_points: z.array(
    z.object({
      attr: text,
      derivation: text,
      build_id: text,
      outputs: z.array(
        z.object({
          name: text,
          store_path: text,
          products: z.array(
            z.object({
              id: text,
              type: text,
              subtype: text,
              name: text,
              path: text,
              size: int.nullable(),
            }),
          ),
        }),
      ),
    }),
  ),
});

export const buildGraph = z.object({
  root: text,
  nodes: z.array(z.object({ id: text, name: text, path: text, status: text })),
  edges: z.array(z.object({ source: text, target: text })),
});

export const logHit = z.object({ line_number: int, preview: text });
export const logHitsEnd = z.object({ done: z.literal(true), total_matches: int });

const listedNar = z.object({
  hash: text,
  store_path: text,
  package: text,
  nar_size: int.nullable(),
  file_size: int.nullable(),
  created_at: text,
  last_fetched_at: text.nullable(),
});
export const narPage = page(listedNar);
export const shownNar = listedNar.extend({
  file_hash: text.nullable(),
  nar_hash: text.nullable(),
  references: z.array(text),
  deriver: text.nullable(),
  ca: text.nullable(),
  fetch_count: int,
  signed: z.boolean(),
});
export const narStats = z.object({
  total_nars: int,
  total_nar_size: int,
  total_file_size: int,
  last_uploaded_at: text.nullable(),
  oldest_fetched_at: text.nullable(),
});
export const received = z.object({ received: int });
