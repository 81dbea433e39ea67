# What the two units are, wherever they run: the NixOS modules and the files of systemd/ are made from it.
let
  network = {
    After = [ "network-online.target" ];
    Wants = [ "network-online.target" ];
    # A daemon that cannot start yet is tried until it can.
    StartLimitIntervalSec = 0;
  };
in
{
  coordinator = {
    unit = network // { Description = "Gradient coordinator"; };
    service = {
      Type = "exec";
      User = "gradient-coordinator";
      Group = "gradient-coordinator";
      StateDirectory = "gradient";
      StateDirectoryMode = "0700";
      WorkingDirectory = "%S/gradient";
      UMask = "0077";
      LimitNOFILE = 65536;
      Restart = "on-failure";
      RestartSec = 5;
      # A wrong setting stays wrong.
      RestartPreventExitStatus = 2;
      TimeoutStopSec = 30;

      # It reads and writes its own directory, listens and asks the network. It starts no other program. Memory that is both
      # writable and executable is left: V8 compiles into it.
      AmbientCapabilities = "";
      CapabilityBoundingSet = "";
      DevicePolicy = "closed";
      KeyringMode = "private";
      LockPersonality = true;
      NoNewPrivileges = true;
      PrivateDevices = true;
      PrivateTmp = true;
      PrivateUsers = true;
      ProcSubset = "pid";
      ProtectClock = true;
      ProtectControlGroups = true;
      ProtectHome = true;
      ProtectHostname = true;
      ProtectKernelLogs = true;
      ProtectKernelModules = true;
      ProtectKernelTunables = true;
      ProtectProc = "invisible";
      ProtectSystem = "strict";
      RemoveIPC = true;
      RestrictAddressFamilies = [ "AF_INET" "AF_INET6" "AF_UNIX" ];
      RestrictNamespaces = true;
      RestrictRealtime = true;
      RestrictSUIDSGID = true;
      SystemCallArchitectures = "native";
      SystemCallErrorNumber = "EPERM";
      # What has time runs in a thread of low priority.
      SystemCallFilter = [ "@system-service" "~@privileged @resources" "setpriority" ];
    };
  };

  worker = {
    unit = network // { Description = "Gradient worker"; };
    service = {
      Type = "exec";
      StateDirectory = "gradient-worker";
      StateDirectoryMode = "0700";
      # TMPDIR: Nix makes the directories of builds in it, and the builds' users have to reach them.
      CacheDirectory = "gradient-worker";
      CacheDirectoryMode = "0711";
      LimitNOFILE = 1048576;
      TasksMax = "infinity";

      # `drain` ends with 0 and is meant, and a wrong setting stays wrong; everything else comes back.
      Restart = "on-failure";
      RestartSec = 5;
      RestartPreventExitStatus = 2;

      # Builds outlive the daemon: the next one takes them up. SIGHUP is its word for going in order without them.
      KillMode = "process";
      KillSignal = "SIGHUP";
      TimeoutStopSec = 60;

      # Each build gets a control group. systemd starts a process only in a group without groups below that have controllers, so
      # the daemon has one of its own beside those of the builds (systemd 254).
      Delegate = true;
      DelegateSubgroup = "gradient-worker";
      Slice = "gradient-worker.slice";
      # A build that takes too much memory ends alone.
      OOMPolicy = "continue";

      # What builds need is left to them: namespaces, their own /proc (which the kernel allows only where nothing covers a part of
      # /proc), /dev/kvm, a host name, other users, 32-bit programs. PrivateTmp and a runtime directory would go with the daemon.
      CapabilityBoundingSet = builtins.concatStringsSep " " [
        "~CAP_AUDIT_CONTROL CAP_AUDIT_READ CAP_AUDIT_WRITE CAP_BLOCK_SUSPEND CAP_BPF CAP_IPC_LOCK CAP_LEASE CAP_LINUX_IMMUTABLE"
        "CAP_MAC_ADMIN CAP_MAC_OVERRIDE CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_RAW CAP_PERFMON CAP_SYSLOG CAP_SYS_BOOT"
        "CAP_SYS_MODULE CAP_SYS_PACCT CAP_SYS_RAWIO CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_WAKE_ALARM"
      ];
      KeyringMode = "private";
      NoNewPrivileges = true;
      ProtectHome = true;
      ProtectKernelModules = true;
      ProtectSystem = "strict";
      ReadWritePaths = [ "-/nix" ];
      RestrictRealtime = true;
      RestrictSUIDSGID = true;
    };
  };
}
