# services.gradient-coordinator.email and .oidc: each with the environment variable that the coordinator reads.
{ lib, secretFile }:
let
  inherit (lib) types;
  switch = env: default: description: {
    inherit env default description;
    type = types.bool;
    example = !default;
  };
  text = env: example: description: {
    inherit env example description;
    type = types.nullOr types.str;
    default = null;
  };
  secret = example: description: {
    inherit example description;
    type = types.nullOr secretFile;
    default = null;
  };
in
{
  email = {
    enable = switch "GRADIENT_EMAIL_ENABLED" false "Whether mail is sent. It needs at least a host and a sender's address.";
    requireVerification = switch "GRADIENT_EMAIL_REQUIRE_VERIFICATION" false "Whether a new account has to follow a mailed link before it can log in.";
    enableTls = switch "GRADIENT_EMAIL_ENABLE_TLS" true "Whether mail is only sent over TLS.";
    smtpHost = text "GRADIENT_EMAIL_SMTP_HOST" "mail.example.org" "Mail server.";
    smtpPort = {
      env = "GRADIENT_EMAIL_SMTP_PORT";
      type = types.port;
      default = 587;
      example = 465;
      description = "Port of the mail server.";
    };
    smtpUsername = text "GRADIENT_EMAIL_SMTP_USERNAME" "gradient" "Name to log in to the mail server with; none means no login.";
    fromAddress = text "GRADIENT_EMAIL_FROM_ADDRESS" "gradient@example.org" "Sender's address.";
    fromName = {
      env = "GRADIENT_EMAIL_FROM_NAME";
      type = types.str;
      default = "Gradient";
      example = "Our farm";
      description = "Sender's name.";
    };
  };
  emailSecrets.smtpPasswordFile = secret "/run/secrets/smtp-password" "File with the password for the mail server.";

  oidc = {
    enable = switch "GRADIENT_OIDC_ENABLED" false "Whether users may sign in with an OpenID Connect provider.";
    required = switch "GRADIENT_OIDC_REQUIRED" false "Whether the provider is the only way to sign in.";
    discoveryUrl = text "GRADIENT_OIDC_DISCOVERY_URL" "https://id.example.org" "The provider's URL, below which /.well-known/openid-configuration lies.";
    clientId = text "GRADIENT_OIDC_CLIENT_ID" "gradient" "Name of this server at the provider.";
    scopes = {
      env = "GRADIENT_OIDC_SCOPES";
      type = types.str;
      default = "openid email profile";
      example = "openid email profile groups";
      description = "Scopes that are asked for, separated by spaces.";
    };
    groups = {
      env = "GRADIENT_OIDC_GROUPS";
      type = types.str;
      default = "";
      example = "staff=acme:Write,guests=acme:View";
      description = "Roles that members of the provider's groups get when they sign in, each GROUP=ORGANIZATION:ROLE.";
    };
  };
  oidcSecrets.clientSecretFile = secret "/run/secrets/oidc-client" "File with the secret that the provider gave this server.";
}
