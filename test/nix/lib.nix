# What the NixOS modules use of nixpkgs' lib, for machines that have no nixpkgs. It stands in for tests alone: it knows no priorities
# and no freeform modules. With GRADIENT_TEST_NIXPKGS the tests hold it against the real one.
let
  inherit (builtins)
    all any attrNames concatLists concatMap concatStringsSep elem elemAt filter foldl' genList head isAttrs isBool isFunction
    isInt isList isPath isString length listToAttrs mapAttrs match replaceStrings split stringLength substring toJSON;

  nameValuePair = name: value: { inherit name value; };
  hasPrefix = prefix: text: substring 0 (stringLength prefix) text == prefix;
  hasSuffix = suffix: text:
    let extra = stringLength text - stringLength suffix; in
    extra >= 0 && substring extra (stringLength text) text == suffix;
  optional = condition: value: if condition then [ value ] else [ ];
  mapAttrs' = f: set: listToAttrs (map (name: f name set.${name}) (attrNames set));
  mapAttrsToList = f: set: map (name: f name set.${name}) (attrNames set);
  unique = foldl' (found: each: if elem each found then found else found ++ [ each ]) [ ];

  isType = type: value: isAttrs value && value._type or "" == type;
  mkIf = condition: content: { _type = "if"; inherit condition content; };
  mkMerge = contents: { _type = "merge"; inherit contents; };
  mkOption = attributes: attributes // { _type = "option"; };
  showPath = concatStringsSep ".";

  # Definitions that hold, of some that may stand under conditions.
  discharge = definition:
    if isType "if" definition then (if definition.condition then discharge definition.content else [ ])
    else if isType "merge" definition then concatMap discharge definition.contents
    else [ definition ];

  # Conditions move down to the attributes: which attributes there are has to be known before any condition is.
  pushDown = definition:
    if isType "if" definition then
      map (mapAttrs (_name: mkIf definition.condition)) (pushDown definition.content)
    else if isType "merge" definition then concatMap pushDown definition.contents
    else [ definition ];

  simple = description: check: {
    inherit description check;
    merge = path: definitions:
      if length (unique definitions) == 1 then head definitions
      else throw "The option `${showPath path}' has conflicting definition values";
  };
  checked = type: path: definitions:
    if all type.check definitions then type.merge path definitions
    else throw "A definition for option `${showPath path}' is not of type `${type.description}'";

  types = {
    bool = simple "boolean" isBool;
    str = simple "string" isString;
    path = simple "absolute path" (value: isPath value || (isString value && hasPrefix "/" value));
    package = simple "package" (value: isAttrs value && value ? outPath);
    port = simple "16 bit unsigned integer; between 0 and 65535 (both inclusive)" (value: isInt value && value >= 0 && value < 65536);
    enum = values: simple "one of ${toJSON values}" (value: elem value values);
    ints.positive = simple "positive integer, meaning >0" (value: isInt value && value > 0);
    ints.unsigned = simple "unsigned integer, meaning >=0" (value: isInt value && value >= 0);
    ints.between = lowest: highest: simple
      "integer between ${toString lowest} and ${toString highest} (both inclusive)"
      (value: isInt value && value >= lowest && value <= highest);
    strMatching = pattern: simple "string matching the pattern ${pattern}" (value: isString value && match pattern value != null);
    oneOf = choices: simple "one of several types" (value: any (type: type.check value) choices);
    lines = types.str // { merge = _path: concatStringsSep "\n"; };
    anything = simple "anything" (_value: true);
    nullOr = type: {
      description = "null or ${type.description}";
      check = value: value == null || type.check value;
      merge = path: definitions:
        if all (value: value == null) definitions then null
        else checked type path definitions;
    };
    listOf = type: {
      description = "list of ${type.description}";
      check = isList;
      merge = path: definitions:
        let values = concatMap discharge (concatLists definitions); in
        genList (index: checked type (path ++ [ "[definition ${toString (index + 1)}-entry 1]" ]) [ (elemAt values index) ]) (length values);
    };
    attrsOf = type: {
      description = "attribute set of ${type.description}";
      check = isAttrs;
      merge = path: definitions:
        let
          names = unique (concatMap attrNames definitions);
          definitionsOf = name: concatMap (each: if each ? ${name} then discharge each.${name} else [ ]) definitions;
        in
        listToAttrs (concatMap (name: map (nameValuePair name) (
          optional (definitionsOf name != [ ]) (checked type (path ++ [ name ]) (definitionsOf name))
        )) names);
    };
    submodule = module: {
      description = "submodule";
      check = value: isAttrs value || isFunction value;
      options = module.options;
      merge = path: definitions: (evaluate { prefix = path; modules = [ module ] ++ map (config: { inherit config; }) definitions; }).config;
    };
    addCheck = type: check: type // { check = value: type.check value && check value; };
  };

  valueOf = path: option: definitions:
    let held = concatMap discharge definitions; in
    if held != [ ] then checked option.type path held
    else if option ? default then checked option.type path [ option.default ]
    else throw "The option `${showPath path}' was accessed but has no value defined. Try setting the option.";

  walk = path: options: definitions:
    if isType "option" options then valueOf path options definitions
    else mapAttrs (name: each:
      walk (path ++ [ name ]) each (concatMap (definition: optional (definition ? ${name}) definition.${name}) (concatMap pushDown definitions))
    ) options;

  unknown = path: options: definitions:
    if isType "option" options then [ ]
    else concatMap (definition: concatMap (name:
      if options ? ${name} then unknown (path ++ [ name ]) options.${name} [ definition.${name} ] else [ (path ++ [ name ]) ]
    ) (attrNames definition)) (concatMap pushDown definitions);

  merged = left: right:
    if isType "option" left || isType "option" right then throw "an option is declared twice"
    else left // mapAttrs (name: value: if left ? ${name} then merged left.${name} value else value) right;

  evaluate = { modules, specialArgs ? { }, prefix ? [ ] }:
    let
      load = module:
        let
          imported = if isPath module || isString module then import module else module;
          value = if isFunction imported then imported (specialArgs // { inherit config lib; }) else imported;
          plain = removeAttrs value [ "imports" "options" "config" ];
        in
        concatMap load (value.imports or [ ]) ++ [ { options = value.options or { }; config = value.config or plain; } ];
      loaded = concatMap load modules;
      options = foldl' (found: each: merged found each.options) { } loaded;
      definitions = map (each: each.config) loaded;
      strangers = unknown prefix options definitions;
      config = walk prefix options definitions;
    in
    {
      inherit options;
      config = if strangers == [ ] then config else throw "The option `${showPath (head strangers)}' does not exist";
    };

  lib = {
    inherit all any attrNames concatStringsSep elem filter foldl' hasPrefix hasSuffix length listToAttrs mapAttrs mapAttrs'
      mapAttrsToList mkIf mkMerge mkOption nameValuePair optional types;
    boolToString = value: if value then "true" else "false";
    evalModules = evaluate;
    filterAttrs = keeps: set: listToAttrs (concatMap (name: map (nameValuePair name) (optional (keeps name set.${name}) set.${name})) (attrNames set));
    hasInfix = infix: text: length (split (replaceStrings [ "." "[" ] [ "[.]" "[[]" ] infix) text) > 1;
    imap0 = f: list: genList (index: f index (elemAt list index)) (length list);
    literalExpression = text: { _type = "literalExpression"; inherit text; };
    optionalAttrs = condition: set: if condition then set else { };
    optionalString = condition: text: if condition then text else "";
    platforms.linux = [ "x86_64-linux" ];
    removePrefix = prefix: text:
      if hasPrefix prefix text then substring (stringLength prefix) (stringLength text) text else text;
  };
in
lib
