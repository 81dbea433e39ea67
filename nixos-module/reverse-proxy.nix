# What a proxy before the coordinator needs: WebSockets (workers stay connected at /proto, pages are told of changes at .../live), and
# bodies of any size in both directions that pass through as they come, because the coordinator bounds them itself.
rec {
  nginxLocation = address: ''
    proxy_pass http://${address};
    proxy_http_version 1.1;
    proxy_set_header Host $host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $gradient_connection;
    proxy_buffering off;
    proxy_request_buffering off;
    proxy_read_timeout 1h;
    proxy_send_timeout 1h;
    client_max_body_size 0;
  '';

  # Part of nginx's http section.
  nginxMap = ''
    map $http_upgrade $gradient_connection {
        default upgrade;
        "" "";
    }
  '';

  nginxSite = domain: address: ''
    # Made from nixos-module/reverse-proxy.nix. Goes into nginx's http section, for instance /etc/nginx/conf.d/gradient.conf.
    ${nginxMap}
    server {
        listen 443 ssl;
        server_name ${domain};
        ssl_certificate /etc/gradient/tls/fullchain.pem;
        ssl_certificate_key /etc/gradient/tls/key.pem;

        location / {
    ${indent "        " (nginxLocation address)}
        }
    }
  '';

  # Caddy passes WebSockets and bodies of any size on by itself, and gets its certificate by itself.
  caddyProxy = address: ''
    reverse_proxy ${address} {
        flush_interval -1
    }
  '';

  caddySite = domain: address: ''
    # Made from nixos-module/reverse-proxy.nix.
    ${domain} {
    ${indent "    " (caddyProxy address)}
    }
  '';

  indent = prefix: text:
    let
      lines = builtins.filter (line: builtins.isString line && line != "") (builtins.split "\n" text);
    in
    builtins.concatStringsSep "\n" (map (line: "${prefix}${line}") lines);
}
