# services.gradient-worker.settings: each with the environment variable that the worker reads.
{ lib }:
let
  inherit (lib) types;
  bytes = types.ints.positive;
in
{
  architectures = {
    env = "GRADIENT_WORKER_ARCHITECTURES";
    type = types.nullOr (types.listOf types.str);
    default = null;
    example = [ "x86_64-linux" "i686-linux" ];
    description = "Systems to build for. By default Nix's `system` and `extra-platforms`.";
  };
  systemFeatures = {
    env = "GRADIENT_WORKER_SYSTEM_FEATURES";
    type = types.nullOr (types.listOf types.str);
    default = null;
    example = [ "big-parallel" "kvm" ];
    description = "Features that derivations may require. By default Nix's `system-features`.";
  };
  maxConcurrentBuilds = {
    env = "GRADIENT_MAX_CONCURRENT_BUILDS";
    type = types.nullOr types.ints.positive;
    default = null;
    example = 8;
    description = "Builds at the same time. By default as many as there are cores.";
  };
  evalForkWorkers = {
    env = "GRADIENT_EVAL_FORK_WORKERS";
    type = types.nullOr types.ints.positive;
    default = null;
    example = 4;
    description = "Processes that share the attributes of an evaluation. By default as many as there are cores, at most 16.";
  };
  maxEvalRss = {
    env = "GRADIENT_MAX_EVAL_RSS";
    type = types.nullOr bytes;
    default = null;
    example = 8589934592;
    description = "Bytes of memory that one process of an evaluation may have. By default 8 GiB, at most a quarter of the memory.";
  };
  evalTimeout = {
    env = "GRADIENT_WORKER_EVAL_TIMEOUT";
    type = types.ints.positive;
    default = 3600;
    example = 600;
    description = "Longest time for one evaluation, in seconds.";
  };
  shutdownGrace = {
    env = "GRADIENT_WORKER_SHUTDOWN_GRACE";
    type = types.ints.unsigned;
    default = 60;
    example = 300;
    description = "Seconds that running jobs get to finish after SIGTERM. `systemctl stop` and `restart` send SIGHUP, after which builds go on.";
  };
  store = {
    env = "GRADIENT_WORKER_STORE";
    type = types.nullOr types.str;
    default = null;
    example = "local?root=/srv/store";
    description = "Nix store to work in, as NIX_REMOTE has it. By default the machine's own.";
  };
  localRepositories = {
    env = "GRADIENT_WORKER_LOCAL_REPOSITORIES";
    type = types.nullOr (types.listOf types.str);
    default = null;
    example = [ "/srv/git" ];
    description = "Directories below which repositories may be fetched by file:///path.";
  };
  metricsListen = {
    env = "GRADIENT_WORKER_METRICS_LISTEN";
    type = types.nullOr types.str;
    default = null;
    example = "127.0.0.1:9100";
    description = "Where to serve metrics for Prometheus. There is no password.";
  };
}
