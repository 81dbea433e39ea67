/** How functions among attributes, and the root, are called; needs `given`, the arguments. */
const CALLED = `# As Nix's own tools do: a function is called when each of its named arguments is given or has a default.
  missingArguments = function:
    let formals = functionArgs function;
    in filter (name: !formals.\${name} && !(given ? \${name})) (attrNames formals);
  called = value:
    if isFunction value && functionArgs value != { } && missingArguments value == [ ]
    then value (intersectAttrs (functionArgs value) given) else value;
  # The elements of a list have their numbers for names, as Nix's own tools call them.
  attributesOf = value:
    if isList value
    then listToAttrs (genList (n: { name = toString n; value = elemAt value n; }) (length value)) else value;
  # A derivation alone has no attributes that are jobs: it gets a name.
  rootOf = imported:
    let value = if isFunction imported then imported (intersectAttrs (functionArgs imported) given) else imported;
    in if isAttrs value && value ? type && value.type == "derivation" then { default = value; } else value;`;

/**
 * The walker, an expression of Nix: a function of what to look for that says on stderr, by `builtins.trace`, what it finds as it
 * goes. It is text in a module, so that it is there wherever the compiled program is.
 *
 * It says, each behind the nonce that only it knows:
 *   {"begin": true}                  before anything of the user's is evaluated
 *   {"list": path, "names": [name]}  what will be looked at in a set, in this order, when it is more than one
 *                                    (backward: in a set below the one where it turns)
 *   {"enter": path}                  before an attribute is evaluated; after a crash this is the guilty one
 *   {"pass": path}                   before an attribute is evaluated that another process tells of
 *   {"job": path, "drvPath": text}   a derivation, and its .drv file is written; with "outputName" when that is not 'out'
 *   {"thrown": path}                 `throw` or a failed assertion, whose message is hidden here
 *   {"other": path, "type": text}    asked for by its name, or in a list, and no derivation
 *   {"fatal": text}                  the whole has no attributes to look at
 *   {"end": true}                    everything was looked at
 *
 * What a pattern selects is written down in the protocol's pattern module. Here a pattern is followed by states: lists of
 * segments that still have to match below a value; the empty list selects the value itself.
 */
export const WALKER = `
{ nonce, label, imported, given, include, exclude, literals, start, isStartDone, backward }:
let
  inherit (builtins)
    all any attrNames concatMap elem elemAt filter foldl' functionArgs genList head intersectAttrs isAttrs isFunction isList
    isString length lessThan listToAttrs seq sort tail toJSON trace tryEval typeOf unsafeDiscardStringContext;

  say = event: trace "\${nonce} \${toJSON event}";
  unique = foldl' (found: each: if elem each found then found else found ++ [ each ]) [ ];

  ${CALLED}

  kindOf = value:
    if isList value then "list"
    else if !isAttrs value then "other"
    else if value ? type && value.type == "derivation" then "derivation"
    else if value ? type || value ? _type then "opaque"
    else "set";

  look = set: name: tryEval (
    let
      value = called set.\${name};
      kind = kindOf value;
      recurse = kind == "set" && value ? recurseForDerivations && value.recurseForDerivations == true;
    in seq kind (seq recurse { inherit value kind recurse; }));

  each = { kind = "each"; };
  # Of a list; no pattern has it.
  element = { kind = "element"; };

  # '**' also stands for the place that it was reached at, and for all that is in a list there. No other wildcard looks into a list.
  closure = kind: states: unique (concatMap (state:
    if state == [ ] || (head state).kind == "name" then [ state ]
    else if kind == "list" then (if (head state).kind == "deep" then [ ([ element ] ++ state) ] else [ ])
    else if (head state).kind != "deep" then [ state ]
    else closure kind [ (tail state) ]
      ++ (if kind == "derivation" then [ ] else [ state ])
      ++ (if kind != "derivation" && tail state == [ ] then [ [ each ] ] else [ ])) states);

  step = child: name: state:
    let first = head state; rest = tail state;
    in if first.kind == "name" then (if first.name == name then [ rest ] else [ ])
    else if first.kind == "each" || first.kind == "element" then [ rest ]
    else if first.kind == "deep" then (if child.recurse then [ state ] else [ ])
    else if child.kind == "opaque" then [ ]
    else [ rest ] ++ (if rest == [ ] && child.kind == "set" then [ [ each ] ] else [ ]);

  matches = segments: path:
    if segments == [ ] then path == [ ]
    else let first = head segments; rest = tail segments;
    in if first.kind == "deep" then matches rest path || (path != [ ] && matches segments (tail path))
    else if path == [ ] then false
    else if first.kind == "name" then first.name == head path && matches rest (tail path)
    else matches rest (tail path) || (first.kind == "star" && rest == [ ] && length path == 2);

  isExcluded = path: any (segments: matches segments path) exclude;

  # The attributes of a set that a state may lead to, without listing a large set for the sake of one name.
  namesIn = set: states:
    if any (state: (head state).kind != "name") states then attrNames set
    else filter (name: set ? \${name}) (sort lessThan (unique (map (state: (head state).name) states)));

  reversed = names: let count = length names; in genList (n: elemAt names (count - 1 - n)) count;

  # 'behind' is the rest of the path where this process begins, or null once that is reached. One that goes backward is 'above' until
  # it comes to the set whose names it takes from the last to the first: others tell what lies on its way there.
  walk = above: path: states: set: behind:
    let
      open = filter (state: state != [ ]) states;
      names = namesIn set open;
      turns = above && (if backward.depth == null then length names > 1 else length path == backward.depth);
      passes = above && !turns;
      isPast = name: if turns then lessThan name (head behind) else lessThan (head behind) name;
      go = foldl' (_: name:
        if behind == null || isPast name then (if passes && behind != null then null else visit passes path open set name null)
        else if head behind != name then null
        else if tail behind != [ ] then visit passes path open set name (tail behind)
        else if isStartDone then null
        else visit passes path open set name null) null (if turns then reversed names else names);
    in if length names > 1 && !above then say { list = path; inherit names; } go else go;

  visit = above: path: states: set: name: behind:
    let
      here = path ++ [ name ];
      possible = filter (state: (head state).kind != "name" || (head state).name == name) states;
      isExact = all (state: length state == 1 && elem (head state).kind [ "name" "each" ]) possible;
      isHidden = isExcluded here;
      isElement = any (state: (head state).kind == "element") possible;
      isKnown = above || behind != null;
      child = look set name;
      next = closure child.value.kind (concatMap (step child.value name) possible);
      inner = attributesOf child.value.value;
      go =
        if !child.success then (if isHidden || isKnown then null else say { thrown = here; } null)
        else seq
          (if elem [ ] next && !isKnown then report here isHidden isElement child.value else null)
          (if isAttrs inner && any (state: state != [ ]) next then walk above here next inner behind else null);
    in
      if possible == [ ] || (isExact && isHidden) then null
      else if isKnown then say { pass = here; } go
      else say { enter = here; } go;

  outputOf = value:
    let name = tryEval (value.outputName or null);
    in if !name.success || !isString name.value || name.value == "out" then { } else { outputName = name.value; };

  report = here: isHidden: isElement: child:
    if child.kind != "derivation" then
      (if elem here literals || (isElement && child.kind == "other" && !isHidden)
       then say { other = here; type = typeOf child.value; } null else null)
    else if isHidden then null
    else let drvPath = tryEval (unsafeDiscardStringContext child.value.drvPath);
    in if drvPath.success then say ({ job = here; drvPath = drvPath.value; } // outputOf child.value) null
    else say { thrown = here; } null;

  needed = missingArguments imported;
  root = rootOf imported;
in say { begin = true; } (
  if isFunction imported && needed != [ ]
  then say { fatal = "\${label} is a function, and these arguments have no default: \${toJSON needed}"; } null
  else if !isAttrs root && !isList root
  then say { fatal = "\${label} gives a \${typeOf root}, and not a set of attributes"; } null
  else seq (walk (backward != null) [ ] (closure (if isList root then "list" else "set") include) (attributesOf root) start)
    (say { end = true; } null))
`;

/** Evaluates the attribute at a path, and lets its error through: a function of what is imported, the arguments, and the path. */
export const ONE = `
imported: given: path:
let
  inherit (builtins)
    attrNames elemAt filter foldl' functionArgs genList intersectAttrs isAttrs isFunction isList length listToAttrs seq;
  ${CALLED}
  one = foldl' (set: name: called (attributesOf set).\${name}) (rootOf imported) path;
in seq (if isAttrs one && one ? type && one.type == "derivation" then one.drvPath else one) null
`;
