/**
 * Glossary. These words mean the same in every package.
 *
 * assignment   one unit of work given to one worker: fetch, eval, build, sign or restore; has a lease and a fencing number
 * attempt      one execution of a build on one worker
 * build        the fact that a derivation has to exist for an organization: one per (organization, derivation)
 * closure      a store path and everything it refers to, transitively
 * coordinator  the daemon that holds facts and queue and speaks HTTP; never runs Nix
 * derivation   what a .drv file says: how to make outputs from inputs
 * drv path     store path of a .drv file
 * evaluation   one run over a source tree that turns attributes into derivations
 * integration  a forge of an organization: an inbound one tells of pushes, an outbound one is told of results
 * job          one attribute of an evaluation: its derivation, or its error
 * lease        the time until which an assignment belongs to its worker
 * output       a store path that a derivation makes
 * peer         an organization, as a worker's peers file names it
 * revision     the commit of an evaluation, by its hash
 * session      one authenticated connection of a worker, numbered by its epoch
 * trigger      what starts evaluations of a project by itself: a poll, a webhook or a time
 * worker       the daemon that touches Nix and users' code
 */

export { ProtocolError } from "./errors.ts";
export {
  organizationIdSchema,
  workerIdSchema,
  evaluationIdSchema,
  assignmentIdSchema,
  fencingSchema,
  attemptNumberSchema,
  type OrganizationId,
  type WorkerId,
  type EvaluationId,
  type AssignmentId,
  type Fencing,
  type AttemptNumber,
} from "./ids.ts";
export {
  usageQualitySchema,
  usagePhasesSchema,
  usageSampleSchema,
  usageRecordSchema,
  type UsageQuality,
  type UsagePhases,
  type UsageSample,
  type UsageRecord,
} from "./usage.ts";
export {
  LINK_FEATURES,
  LINK_VERSIONS,
  MAX_FRAME_BYTES,
  pathFactsSchema,
  capabilitiesSchema,
  buildLimitsSchema,
  gitCredentialsSchema,
  fetchSpecSchema,
  evalSpecSchema,
  inputOverrideSchema,
  buildSpecSchema,
  signSpecSchema,
  restoreSpecSchema,
  assignmentSpecSchema,
  phaseSchema,
  failureSchema,
  fetchResultSchema,
  evalResultSchema,
  buildOutcomeSchema,
  buildTimesSchema,
  buildResultSchema,
  signResultSchema,
  restoreResultSchema,
  assignmentResultSchema,
  type PathFacts,
  type Capabilities,
  type BuildLimits,
  type GitCredentials,
  type FetchSpec,
  type EvalSpec,
  type InputOverride,
  type BuildSpec,
  type SignSpec,
  type RestoreSpec,
  type AssignmentSpec,
  type AssignmentKind,
  type LinkFeature,
  type Phase,
  type Failure,
  type FetchResult,
  type EvalResult,
  type BuildOutcome,
  type BuildTimes,
  type BuildResult,
  type SignResult,
  type RestoreResult,
  type AssignmentResult,
} from "./messages/shared.ts";
export {
  attributePathSchema,
  evaluatedJobSchema,
  evaluationMessageSchema,
  type EvaluatedJob,
  type EvaluationMessage,
} from "./messages/evaluated.ts";
export {
  MAX_LOG_BYTES,
  helloSchema,
  authSchema,
  acceptSchema,
  declineSchema,
  progressSchema,
  usageSchema,
  logSchema,
  evalJobsSchema,
  resultSchema,
  drainingSchema,
  headSchema,
  toCoordinatorSchema,
  type Hello,
  type EvalJobs,
  type Head,
  type Result,
  type UsageReport,
  type ToCoordinator,
} from "./messages/to-coordinator.ts";
export {
  challengeSchema,
  welcomeSchema,
  rejectSchema,
  offerSchema,
  ackSchema,
  logAckSchema,
  evalAckSchema,
  cancelSchema,
  leasesSchema,
  resolveHeadSchema,
  refusedSchema,
  toWorkerSchema,
  type Welcome,
  type Reject,
  type Offer,
  type ResolveHead,
  type ToWorker,
} from "./messages/to-worker.ts";
export {
  narReceiptSchema,
  publishPathsSchema,
  pathListSchema,
  closureSchema,
  drvPathListSchema,
  unknownDerivationsSchema,
  acceptedDerivationsSchema,
  narHashListSchema,
  heldNarsSchema,
  uploadTicketSchema,
  acceptedNarsSchema,
  transferErrorSchema,
  STAGED_BYTES_HEADER,
  type NarReceipt,
  type Closure,
  type HeldNars,
  type UploadTicket,
} from "./messages/transfer.ts";
export {
  decodeNarBundle,
  encodeNarBundle,
  MAX_BUNDLED_NAR_BYTES,
  MAX_NAR_BUNDLE_BYTES,
  NarBundleError,
  type BundledNar,
} from "./messages/nar-bundle.ts";
export { FrameError, decodeToCoordinator, decodeToWorker, encode } from "./messages/codec.ts";
export {
  RepositoryError,
  type RepositoryAddress,
  parseRepository,
  resolveSubmodule,
  usesSsh,
  withoutPassword,
} from "./git/repository.ts";
export { EncodingError } from "./nix/encoding-error.ts";
export { NIX32_ALPHABET, encodeNix32, decodeNix32 } from "./nix/base32.ts";
export {
  HashError,
  type HashAlgorithm,
  type Hash,
  narHashSchema,
  type NarHash,
  parseHash,
  parseHashAlgorithm,
  parseNarHash,
  narHashOf,
  formatNix32Hash,
  formatSriHash,
  formatHexDigest,
  hashBytes,
} from "./nix/hash.ts";
export {
  STORE_DIR,
  StorePathError,
  storePathSchema,
  type StorePath,
  drvPathSchema,
  type DrvPath,
  isStorePath,
  isDrvPath,
  parseStorePath,
  parseDrvPath,
  storePathFromBase,
  storePathBase,
  storePathHash,
  storePathName,
  makeStorePath,
  textStorePath,
  type FixedOutputMethod,
  type FixedOutput,
  fixedOutputStorePath,
  sortedPaths,
} from "./nix/store-path.ts";
export {
  ContentAddressError,
  type ContentAddress,
  parseContentAddress,
  formatContentAddress,
  contentAddressedStorePath,
} from "./nix/content-address.ts";
export {
  SignatureError,
  PublicKey,
  SecretKey,
  type SignedFacts,
  fingerprint,
  signatureKeyName,
} from "./nix/signature.ts";
export { NarInfoError, type NarInfo, parseNarInfo, formatNarInfo } from "./nix/narinfo.ts";
export {
  DerivationError,
  type DerivationOutput,
  type Derivation,
  decodeText,
  parseDerivation,
  formatDerivation,
  derivationStorePath,
} from "./nix/derivation.ts";
export {
  type ModuloHash,
  type ModuloHashes,
  hashDerivationModulo,
  outputPaths,
  isFixedOutput,
} from "./nix/output-paths.ts";
export {
  type DerivationFacts,
  buildLimitsOf,
  readDerivationFacts,
} from "./nix/derivation-facts.ts";
export { NarError, type NarErrorCode } from "./nix/nar/nar-error.ts";
export { NAR_CHUNK_BYTES, dumpPathSync, dumpPath, singleFileNar } from "./nix/nar/writer.ts";
export {
  type NarFile,
  type NarVisitor,
  type NarLimits,
  DEFAULT_NAR_LIMITS,
  NarReader,
} from "./nix/nar/reader.ts";
export { type NarListing, type NarListingNode, NarListingBuilder } from "./nix/nar/listing.ts";
export {
  type NarBytes,
  type NarEntry,
  type NarPart,
  openNarEntry,
  readNarParts,
} from "./nix/nar/entry.ts";
export { ReferenceScanner, CandidateScanner } from "./nix/nar/references.ts";
export {
  type AttributePath,
  AttributePathError,
  parseAttributePath,
  formatAttributePath,
  compareAttributePaths,
} from "./attribute/path.ts";
export {
  patternSegmentSchema,
  type PatternSegment,
  attributePatternSchema,
  type AttributePattern,
  PatternError,
  parsePattern,
  formatPattern,
  type AttributeNode,
  type Selection,
  selectAttributes,
  isExcluded,
} from "./attribute/pattern.ts";
