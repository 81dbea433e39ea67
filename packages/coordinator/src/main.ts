import { openAccountServices } from "./accounts/account-services.ts";
import { Authority } from "./auth/authority.ts";
import type { CacheContent, ElsewhereVisible } from "./caches/cache-content.ts";
import { CacheDocuments } from "./caches/cache-documents.ts";
import { CacheRoom } from "./caches/cache-room.ts";
import { openCacheContent } from "./caches/open-content.ts";
import { BYTES_PER_GB } from "./rules/storage.ts";
import type { Maintenance } from "./collection/maintenance.ts";
import { openMaintenance } from "./collection/open-maintenance.ts";
import { systemClock, type Clock } from "./clock.ts";
import { loadSecrets } from "./config/secrets.ts";
import type { Config } from "./config/settings.ts";
import { ensureDataDir, lockDataDir, openFarmDatabase } from "./data-dir.ts";
import type { Database, Queries } from "./db/client.ts";
import { listKnownHosts } from "./db/known-host-repository.ts";
import { LastUse } from "./db/last-use.ts";
import { openFarm, type Farm, type FarmOptions } from "./farm.ts";
import type { Services } from "./http/api.ts";
import { openActionOutbox } from "./actions/action-outbox.ts";
import { ClosureRounds } from "./closures/closure-rounds.ts";
import { openStatusOutbox } from "./forges/statuses/status-outbox.ts";
import { openFrontServices } from "./http/front-services.ts";
import { addressUrl, listen } from "./http/listen.ts";
import { createHttpServer } from "./http/server.ts";
import { HttpShutdown } from "./http/shutdown.ts";
import { StoredCacheSigner } from "./keys/cache-signer.ts";
import { MasterKey } from "./keys/master-key.ts";
import { openSshKey } from "./keys/organization-ssh-key.ts";
import type { Logger } from "./logger.ts";
import { OutboundClient } from "./outbound/outbound-client.ts";
import type { FindCredentials } from "./queue/offer.ts";
import { Resources } from "./resources.ts";
import { formatHostKeys } from "./rules/known-hosts.ts";
import { openSourceUploads } from "./sources/source-uploads.ts";
import { NoticeRounds } from "./notices/notice-rounds.ts";
import { openMetrics } from "./telemetry/open-metrics.ts";
import { TriggerRounds } from "./triggers/trigger-rounds.ts";
import { readVersion } from "./version.ts";

/** A coordinator that listens. Disposing stops it: no new requests, sessions closed, database closed. */
export interface Coordinator extends AsyncDisposable {
  /** URL of the address that it listens on. */
  url: string;
}

/** Composes the whole daemon and starts to listen. Throws UserError for what the operator has to mend. */
export async function startCoordinator(config: Config, logger: Logger): Promise<Coordinator> {
  const resources = new Resources();
  try {
    const url = await open(config, logger, resources);
    logger.info({ url, dataDir: config.dataDir }, "coordinator listens");
    return { url, [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose]() };
  } catch (error) {
    await resources[Symbol.asyncDispose]();
    throw error;
  }
}

/** Secrets for fetches over ssh: the organization's key, and the hosts that it believes. */
function credentialsFinder(db: Queries, masterKey: MasterKey): FindCredentials {
  return async (organization) => ({
    sshPrivateKey: await openSshKey(db, masterKey, organization),
    knownHosts: formatHostKeys(await listKnownHosts(db, organization)),
    acceptsNewHosts: true,
  });
}

function contentOf(parts: {
  config: Config;
  database: Database;
  clock: Clock;
  farm: Farm;
  signer: StoredCacheSigner;
  elsewhere: ElsewhereVisible;
  room: CacheRoom;
}): CacheContent {
  const { config, database, clock, farm, signer, elsewhere, room } = parts;
  return openCacheContent({
    database,
    clock,
    intake: farm.intake,
    files: farm.nars,
    signer,
    elsewhere,
    maxFileBytes: config.maxNarUploadSize,
    staged: farm.cacheUploads,
    room,
  });
}

function roomOf(
  config: Config,
  database: Database,
  { cacheUploads: staged }: Farm,
  maintenance: Maintenance,
): CacheRoom {
  return new CacheRoom({
    database,
    staged,
    maxFileBytes: config.maxNarUploadSize,
    maxStorageBytes: config.maxStorageGb * BYTES_PER_GB,
    onFull: (cacheId, bytes) => void maintenance.makeRoom(cacheId, bytes),
  });
}

function countUses(database: Database, clock: Clock, logger: Logger): LastUse {
  return new LastUse({
    database,
    now: () => clock.now(),
    onError: (error) => logger.error({ err: error }, "times of last use could not be stored"),
  });
}

function farmOptions(parts: {
  config: Config;
  database: Database;
  signer: StoredCacheSigner;
  logger: Logger;
  masterKey: MasterKey;
  clock: Clock;
}): FarmOptions {
  const { config, masterKey, ...rest } = parts;
  return {
    ...rest,
    dataDir: config.dataDir,
    objectStore: config.objectStore,
    leaseMs: config.leaseSeconds * 1000,
    maxStorageBytes: config.maxStorageGb * BYTES_PER_GB,
    findCredentials: credentialsFinder(rest.database.kysely, masterKey),
  };
}

async function applyStateFile(parts: {
  config: Config;
  database: Database;
  masterKey: MasterKey;
  serveUrl: string;
  clock: Clock;
  logger: Logger;
}): Promise<void> {
  const { stateFile } = parts.config;
  if (stateFile === null) return;
  // Most farms have none, and what reads it is large.
  const { applyStateAtStart } = await import("./state/apply-at-start.ts");
  await applyStateAtStart({ ...parts, stateFile });
}

async function open(config: Config, logger: Logger, resources: Resources): Promise<string> {
  await ensureDataDir(config.dataDir);
  resources.use(lockDataDir(config.dataDir));
  const secrets = await loadSecrets(config);
  const database = resources.use(await openFarmDatabase(config.dataDir));
  const masterKey = new MasterKey(secrets.masterKey);
  const serveUrl = config.serveUrl ?? addressUrl(config.listen.host, config.listen.port);
  const signer = new StoredCacheSigner(database, masterKey);
  const clock = systemClock;
  await applyStateFile({ config, database, masterKey, serveUrl, clock, logger });
  const lastUse = resources.use(countUses(database, clock, logger));
  const db = database.kysely;
  const outbound = resources.use(
    new OutboundClient({ allowedRanges: config.allowPrivateAddresses }),
  );
  const farm = await openFarm(farmOptions({ config, database, signer, logger, masterKey, clock }));
  const maintenance = maintenanceOf({ config, database, clock, logger, farm });
  const room = roomOf(config, database, farm, maintenance);
  const { nars } = farm;
  const front = openFrontServices({ config, database, clock, lastUse, outbound, logger, nars });
  const stopping = new AbortController();
  const { jwtSecret } = secrets;
  const now = () => clock.now();
  const services: Services = {
    metrics: await openMetrics({ config, database, lastUse, farm }),
    ...(await openAccountServices({ config, serveUrl, jwtSecret, database, lastUse, logger, now })),
    config,
    serveUrl,
    version: readVersion(),
    database,
    clock,
    logger,
    authority: new Authority(db),
    masterKey,
    signer,
    lastUse,
    outbound,
    ...front,
    ...farmServices(farm, config),
    maintenance,
    documents: new CacheDocuments({ database, clock, room }),
    content: contentOf({
      config,
      database,
      clock,
      farm,
      signer,
      elsewhere: front.upstreams,
      room,
    }),
    stopping: stopping.signal,
  };
  const app = await createHttpServer(services, farm.transferRoutes);
  // Workers' sockets keep the server open until the farm has closed them, so both go down together.
  resources.use(new HttpShutdown(app, stopping, farm));
  resources.use(maintenance).start();
  useRounds(resources, services, farm);
  return listen(app, config.listen);
}

/** What is done again and again beside the requests. */
function useRounds(resources: Resources, services: Services, farm: Farm): void {
  resources.use(new TriggerRounds(services));
  resources.use(openStatusOutbox(services));
  resources.use(openActionOutbox(services));
  resources.use(new NoticeRounds(services));
  const isBusy = (): boolean => Object.values(farm.figures().assignments).some((held) => held > 0);
  resources.use(new ClosureRounds({ ...services, isBusy }));
}

function maintenanceOf(parts: {
  config: Config;
  database: Database;
  clock: Clock;
  logger: Logger;
  farm: Farm;
}): Maintenance {
  const { farm, ...rest } = parts;
  const { nars: files, intake, promised, restoring } = farm;
  return openMaintenance({
    ...rest,
    files,
    intake,
    promised,
    restoring,
    onFinished: () => farm.reviewWaiting(),
  });
}

function farmServices(farm: Farm, config: Config) {
  const { evaluations, workers, queue, repositories, logs, nars, sources, sourceFiles } = farm;
  const { upkeep, setDraining } = farm;
  const sourceUploads = openSourceUploads(sourceFiles.uploads, config.maxSourceUploadSize);
  const files = { logs, nars, sourceFiles, sourceUploads };
  const steered = { evaluations, workers, queue, repositories, sources, upkeep, setDraining };
  return { ...steered, ...files };
}
