# What can be declared, as the coordinator's state file has it. What is left out has the coordinator's default.
{ lib, secretFile }:
let
  inherit (lib) mkOption types;

  required = type: example: description: mkOption { inherit type example description; };
  optional = type: example: description: mkOption {
    inherit example description;
    type = types.nullOr type;
    default = null;
  };
  known = type: default: example: description: mkOption { inherit type default example description; };
  switch = default: known types.bool default (!default);
  record = options: types.submodule { inherit options; };
  declared = options: example: description: known (types.attrsOf (record options)) { } example description;
  listed = options: example: description: known (types.listOf (record options)) [ ] example description;

  texts = types.listOf types.str;
  mode = types.enum [ "ReadWrite" "ReadOnly" "WriteOnly" ];

  name = optional types.str "site" "Name; by default the attribute's.";
  displayName = optional types.str "Site" "Name that is shown.";
  description = known types.str "" "Our web site." "What it is for.";
  createdBy = optional types.str "alice" "User who counts as its maker.";
  secret = example: optional secretFile "/run/secrets/${example}";
  permissions = required texts [ "viewOrg" "triggerEvaluation" ] "What it allows.";

  members = listed {
    user = required types.str "bob" "Name of the user.";
    role = known types.str "Admin" "Write" "Role of the user.";
  } [ { user = "bob"; role = "Write"; } ] "Users and their roles. When there are any, nobody else is a member.";

  triggerConfig = {
    interval_secs = optional types.ints.positive 60 "Of `polling`: how often the repository is asked.";
    branch = optional types.str "main" "Of `polling`: branch whose newest commit is taken. By default the repository's own.";
    branches = optional texts [ "main" "release/*" ] "Of `reporter_push` and `reporter_pull_request`: branches that count.";
    tags = optional texts [ "v*" ] "Of `reporter_push`: tags that count.";
    releases_only = optional types.bool true "Of `reporter_push`: whether only releases count.";
    actions = optional (types.listOf (types.enum [ "opened" "synchronize" "reopened" ])) [ "opened" ] "Of `reporter_pull_request`: what starts an evaluation.";
    require_approval = optional types.bool true "Of `reporter_pull_request`: whether strangers' ones wait for approval.";
    cron = optional types.str "0 0 3 * * *" "Of `time`: six fields, UTC.";
  };
in
{
  users = declared {
    username = optional types.str "alice" "Name to log in with; by default the attribute's.";
    name = optional types.str "Alice" "Name that is shown.";
    email = required types.str "alice@example.org" "Mail address.";
    password_file = secret "alice" "File with an Argon2id hash in PHC form. Without one the user signs in by OpenID Connect.";
    email_verified = switch true "Whether the address is the user's.";
    superuser = switch false "Whether the user may do everything.";
    active = switch true "Whether the user may log in.";
  } { alice = { email = "alice@example.org"; superuser = true; }; } "Users.";

  organizations = declared {
    inherit name description members;
    id = optional types.str "0195c2a0-0000-7000-8000-000000000001" "UUID, so that workers' peers files can be written before it is made.";
    display_name = displayName;
    public = switch false "Whether everybody may read it.";
    hide_build_requests = switch false "Whether the project of build requests is hidden.";
    reuse_build_failures = switch false "Whether what failed before is not built again.";
    reuse_build_timeouts = switch false "Whether what took too long before is not built again.";
    private_key_file = secret "acme-ssh" "File with the OpenSSH private key that fetches use. By default one is made.";
    created_by = createdBy;
  } { acme = { members = [ { user = "alice"; } ]; }; } "Organizations.";

  roles = declared {
    inherit name permissions;
    organization = optional types.str "acme" "Organization that has it.";
    cache = optional types.str "main" "Cache that has it.";
  } { releaser = { organization = "acme"; permissions = [ "triggerEvaluation" ]; }; } "Roles beside Admin, Write and View.";

  integrations = declared {
    inherit name;
    id = optional types.str "0195c2a0-0000-7000-8000-000000000002" "UUID, so that the address of its hook is known before it is made.";
    organization = required types.str "acme" "Organization that has it.";
    display_name = displayName;
    kind = required (types.enum [ "inbound" "outbound" ]) "inbound" "Whether the forge tells us, or we tell it.";
    forge_type = required (types.enum [ "gitea" "forgejo" "gitlab" "github" ]) "gitea" "What the forge is.";
    endpoint_url = optional types.str "https://git.example.org" "Address of the forge, for outbound ones.";
    secret_file = secret "hook" "File with the secret of the forge's webhook.";
    access_token_file = secret "forge" "File with a token that may set commit statuses.";
    created_by = createdBy;
  } { git = { organization = "acme"; kind = "inbound"; forge_type = "gitea"; secret_file = "/run/secrets/hook"; }; } "Connections to forges.";

  projects = declared {
    inherit name description;
    organization = required types.str "acme" "Organization that has it.";
    display_name = displayName;
    repository = required types.str "https://example.org/site.git" "Address of the Git repository.";
    wildcard = known types.str "packages.x86_64-linux.*" "**" "Attributes that are built.";
    active = switch true "Whether triggers start evaluations.";
    keep_evaluations = known types.ints.positive 1 10 "Evaluations that are kept.";
    concurrency = known (types.enum [ "hard_abort" "soft_abort" "all" "skip" ]) "soft_abort" "all" "What a new evaluation does to a running one.";
    sign_cache = switch true "Whether what it builds is signed by caches.";
    alias = optional types.str "guix" "Name for clients of Cuirass, which no other project of the farm has. Without one it is ORGANIZATION.PROJECT.";
    priority = known (types.ints.between 0 9) 5 2 "Priority for clients of Cuirass; lower is sooner.";
    open_hook = switch false "Whether everybody who sees the project may ask for a look at its repository.";
    triggers = optional (types.listOf (record {
      type = required (types.enum [ "polling" "reporter_push" "reporter_pull_request" "time" ]) "polling" "What starts an evaluation.";
      active = switch true "Whether it does.";
      integration = optional types.str "git" "Inbound integration that tells.";
      config = known (record triggerConfig) { } { interval_secs = 60; } "What exactly.";
    })) [ { type = "time"; config.cron = "0 0 3 * * *"; } ] "What starts evaluations. By default those that are there stay, and a new project polls.";
    outbound_integration = optional types.str "told" "Gradient's word for the integration that tells the forge. Here it is the organization's whose address is the repository's, or those that `actions` name, and a value is refused.";
    actions = optional (types.listOf (record {
      name = required types.str "chat" "Name.";
      type = required (types.enum [ "send_mail" "send_web_request" "forge_status_report" ]) "send_web_request" "What it does.";
      active = switch true "Whether it does.";
      events = known texts [ ] [ "evaluation.failed" "build.failed" ] "What it is told of; nothing for `forge_status_report`.";
      config = known (record {
        recipients = optional texts [ "ops@example.org" ] "Of `send_mail`: addresses.";
        subject_template = optional types.str "{project} {status}" "Of `send_mail`: subject, with `{event}`, `{project}`, `{org}`, `{id}` and `{status}`.";
        url = optional types.str "https://hooks.example.org/farm" "Of `send_web_request`: where it goes.";
        token_file = secret "chat-token" "Of `send_web_request`: file with the token that it is signed with. Without one it is not.";
        integration = optional types.str "told" "Of `forge_status_report`: outbound integration that is told.";
      }) { } { url = "https://hooks.example.org/farm"; } "What exactly.";
    })) [ { name = "ops"; type = "send_mail"; events = [ "build.failed" ]; config.recipients = [ "ops@example.org" ]; } ] "Whom it tells of its evaluations and builds. By default those that are there stay.";
    created_by = createdBy;
  } { site = { organization = "acme"; repository = "https://example.org/site.git"; }; } "Projects.";

  caches = declared {
    inherit name description members;
    id = optional types.str "0195c2a0-0000-7000-8000-000000000003" "UUID.";
    display_name = displayName;
    active = switch true "Whether it answers.";
    priority = known types.ints.unsigned 10 40 "Priority that clients are told; the lower one is asked first.";
    local_priority = optional types.ints.unsigned 5 "Priority that clients of the own network are told.";
    max_storage_gb = known types.ints.unsigned 0 100 "How much it may hold, in units of 2^30 bytes; 0 for no limit.";
    public = switch false "Whether everybody may read it.";
    signing_key_file = secret "main-key" "File with a secret key as `nix key generate-secret` makes it. By default one is made.";
    organizations = known texts [ ] [ "acme" ] "Organizations whose builds are shown there.";
    upstreams = optional (types.listOf (record {
      type = required (types.enum [ "internal" "external" "gradient" ]) "external" "A cache of this farm, any binary cache, or a cache of another farm.";
      display_name = displayName;
      cache_name = optional types.str "second" "Of `internal`: name of the cache.";
      url = optional types.str "https://nix-community.cachix.org" "Of `external` and `gradient`: its address.";
      public_key = optional types.str "NAME:BASE64" "Of `external` and `gradient`: key that its paths are signed with.";
      remote_cache = optional types.str "all" "Of `gradient`: name of the cache there.";
      api_key_file = secret "other-farm" "Of `gradient`: file with an API key of that farm.";
      mode = optional mode "ReadOnly" "Which way paths go.";
    })) [ { type = "internal"; cache_name = "second"; } ] "Caches that are asked for what it does not have. By default cache.nixos.org.";
    created_by = createdBy;
  } { main = { public = true; organizations = [ "acme" ]; }; } "Binary caches.";

  workers = declared {
    worker_id = optional types.str "6f9619ff-8b86-4011-b42d-00c04fc964ff" "UUID of the worker; by default the attribute's name.";
    display_name = displayName;
    organizations = required texts [ "acme" ] "Organizations that it serves.";
    token_file = secret "build1" "File with the token of the worker's peers file.";
    public_key = optional types.str "NAME:BASE64" "Key that it signs with. By default the first one that it shows is pinned.";
    url = optional types.str "https://build1.example.org" "Address of the worker, for people.";
    enable_fetch = switch true "Whether it gets fetch jobs.";
    enable_eval = switch true "Whether it gets evaluation jobs.";
    enable_build = switch true "Whether it gets build jobs.";
    enabled = switch true "Whether it gets anything.";
    base_worker = switch false "Gradient's word for a worker of every organization. Here {option}`organizations` lists them, and true is refused.";
    authorize_against = optional types.str "acme" "Gradient's word for the one identity of a base worker. Here a line `*:TOKEN` of the peers file shows its token to all of {option}`organizations`, and a value is refused.";
    created_by = createdBy;
  } { build1 = { worker_id = "6f9619ff-8b86-4011-b42d-00c04fc964ff"; organizations = [ "acme" ]; token_file = "/run/secrets/build1"; }; } "Workers.";

  api_keys = declared {
    inherit name permissions;
    owned_by = required types.str "alice" "User whose key it is.";
    key_file = secret "ci" "File with the SHA-256, in hexadecimal, of the 64 characters behind `GRAD`.";
    organization = optional types.str "acme" "The only organization that it is good for.";
    cache = optional types.str "main" "The only cache that it is good for.";
    allowed_ips = known texts [ ] [ "10.0.0.0/8" ] "Addresses that it is good from. By default all.";
    expires_at = optional types.str "2030-01-01T00:00:00Z" "When it ends.";
  } { ci = { owned_by = "alice"; key_file = "/run/secrets/ci"; permissions = [ "viewOrg" ]; organization = "acme"; }; } "API keys.";
}
