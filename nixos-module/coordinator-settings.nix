# services.gradient-coordinator.settings: each with the environment variable that the coordinator reads.
{ lib }:
let
  inherit (lib) types;
  size = types.strMatching "[0-9]+[KMG]?";
  who = types.enum [ "none" "superusers" "everyone" ];
in
{
  enableRegistration = {
    env = "GRADIENT_ENABLE_REGISTRATION";
    type = types.bool;
    default = true;
    example = false;
    description = "Whether anybody may register.";
  };
  createOrg = {
    env = "GRADIENT_CREATE_ORG";
    type = who;
    default = "everyone";
    example = "superusers";
    description = "Who may create organizations.";
  };
  createCache = {
    env = "GRADIENT_CREATE_CACHE";
    type = who;
    default = "everyone";
    example = "superusers";
    description = "Who may create caches.";
  };
  globalStatsPublic = {
    env = "GRADIENT_GLOBAL_STATS_PUBLIC";
    type = types.bool;
    default = false;
    example = true;
    description = "Whether every user may see all connected workers.";
  };
  keepEvaluations = {
    env = "GRADIENT_KEEP_EVALUATIONS";
    type = types.ints.positive;
    default = 30;
    example = 10;
    description = "Evaluations that a new project keeps, and the most that any may keep.";
  };
  leaseSeconds = {
    env = "GRADIENT_LEASE_SECONDS";
    type = types.ints.positive;
    default = 1200;
    example = 600;
    description = "How long a silent worker keeps its assignments.";
  };
  maxRequestSize = {
    env = "GRADIENT_MAX_REQUEST_SIZE";
    type = size;
    default = "2M";
    example = "4M";
    description = "Largest request body of the API.";
  };
  maxNarUploadSize = {
    env = "GRADIENT_MAX_NAR_UPLOAD_SIZE";
    type = size;
    default = "512M";
    example = "2G";
    description = "Largest file with a NAR that users may put into a cache.";
  };
  maxSourceUploadSize = {
    env = "GRADIENT_MAX_SOURCE_UPLOAD_SIZE";
    type = size;
    default = "512M";
    example = "1G";
    description = "Largest source tree that a client may upload to have it built.";
  };
  maxDirectBuildSize = {
    env = "GRADIENT_MAX_DIRECT_BUILD_SIZE";
    type = size;
    default = "1G";
    example = "2G";
    description = "Largest body of a direct build.";
  };
  cacheTtlHours = {
    env = "GRADIENT_NAR_TTL_HOURS";
    type = types.ints.positive;
    default = 336;
    example = 720;
    description = "How long a cache keeps a path that nobody fetches and nothing needs, in hours.";
  };
  maxStorageGb = {
    env = "GRADIENT_MAX_STORAGE_GB";
    type = types.ints.unsigned;
    default = 0;
    example = 500;
    description = "How much the NARs of all caches may take, in units of 2^30 bytes; 0 for no limit.";
  };
  trustedProxies = {
    env = "GRADIENT_TRUSTED_PROXIES";
    type = types.listOf types.str;
    default = [ "127.0.0.1/32" "::1/128" ];
    example = [ "10.1.2.3/32" ];
    description = "Addresses whose X-Forwarded-For is believed.";
  };
  localIps = {
    env = "GRADIENT_LOCAL_IPS";
    type = types.listOf types.str;
    default = [ "10.0.0.0/8" ];
    example = [ "10.0.0.0/8" "192.168.0.0/16" ];
    description = "Addresses that are told a cache's local priority.";
  };
  allowPrivateAddresses = {
    env = "GRADIENT_ALLOW_PRIVATE_ADDRESSES";
    type = types.listOf types.str;
    default = [ ];
    example = [ "10.1.0.0/16" ];
    description = "Addresses outside of the public network that the coordinator may ask for its users: forges, webhooks, upstream caches.";
  };
  rateLimits = {
    env = "GRADIENT_RATE_LIMITS";
    type = types.bool;
    default = true;
    example = false;
    description = "Whether each client address has limited rates.";
  };
  cpuAccounting = {
    env = "GRADIENT_CPU_ACCOUNTING";
    type = types.enum [ "measured" "allocated" ];
    default = "measured";
    example = "allocated";
    description = "CPU-seconds that nixbuild.net's API tells: what builds used, or the cores that they were given for as long as they ran.";
  };
  nixbuildPrefix = {
    env = "GRADIENT_NIXBUILD_PREFIX";
    type = types.nullOr types.str;
    default = null;
    example = "/nixbuild";
    description = "Further path under which nixbuild.net's API is served.";
  };
  deleteState = {
    env = "GRADIENT_DELETE_STATE";
    type = types.bool;
    default = true;
    example = false;
    description = "Whether what {option}`services.gradient-coordinator.state` declared and declares no more is deleted.";
  };
}
