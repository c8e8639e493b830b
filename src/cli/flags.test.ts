import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { type FlagDefinition, parseFlags, UsageError } from "./flags.ts";

const definitions: readonly FlagDefinition[] = [
  { name: "tag", short: "t", kind: "array", help: "" },
  { name: "pull", kind: "bool", help: "" },
  { name: "quiet", short: "q", kind: "bool", help: "" },
  { name: "all", short: "a", kind: "bool", help: "" },
  { name: "file", short: "f", kind: "string", help: "" },
  { name: "progress", kind: "string", default: "auto", help: "" },
  { name: "add-host", kind: "slice", help: "" },
  { name: "shm-size", kind: "bytes", help: "" },
  { name: "parallelism", kind: "int", default: "2", help: "" },
  { name: "ulimit", kind: "ulimit", help: "" },
  { name: "keep", kind: "bytes", help: "", aliasOf: "shm-size", deprecated: "keep is now shm-size" },
];

suite("flags are read by pflag's rules", () => {
  const rows: [string, readonly string[], Record<string, unknown>, readonly string[]][] = [
    ["nothing", [], { tag: [], pull: false, progress: "auto" }, []],
    ["--flag value", ["--file", "x", "."], { file: "x" }, ["."]],
    ["--flag=value", ["--file=a=b"], { file: "a=b" }, []],
    ["--flag=", ["--file="], { file: "" }, []],
    ["-f value", ["-f", "x"], { file: "x" }, []],
    ["-fvalue", ["-fx"], { file: "x" }, []],
    ["-f=value", ["-f=x"], { file: "x" }, []],
    ["-f= keeps the sign, as pflag does", ["-f="], { file: "=" }, []],
    ["a value that looks like a flag", ["-f", "-q"], { file: "-q", quiet: false }, []],
    ["a bool takes no argument", ["--pull", "false"], { pull: true }, ["false"]],
    ["a bool with a value", ["--pull=false"], { pull: false }, []],
    ["the last wins", ["--pull=false", "--pull", "--file=a", "--file=b"], { pull: true, file: "b" }, []],
    ["letters together", ["-qa"], { quiet: true, all: true }, []],
    ["letters and a value", ["-qfx"], { quiet: true, file: "x" }, []],
    ["arrays are not split", ["-t", "a,b", "-tc", "-t=d"], { tag: ["a,b", "c", "d"] }, []],
    [
      "slices are split, quotes hold",
      ["--add-host", 'a:1,"b:2,3"', "--add-host=c:4"],
      { "add-host": ["a:1", "b:2,3", "c:4"] },
      [],
    ],
    ["flags after arguments", [".", "--pull", "x"], { pull: true }, [".", "x"]],
    ["-- ends the flags", ["--pull", "--", "--quiet", "-t"], { pull: true, quiet: false }, ["--quiet", "-t"]],
    ["- is an argument", ["-f", "-", "-"], { file: "-" }, ["-"]],
    ["sizes", ["--shm-size", "64m"], { "shm-size": 67108864 }, []],
    ["numbers have defaults", [], { parallelism: 2 }, []],
    ["deprecated names set the new ones", ["--keep=1k"], { "shm-size": 1024 }, []],
  ];
  for (const [name, argv, expected, args] of rows) {
    test(name, () => {
      const parsed = parseFlags(definitions, argv);
      for (const [flag, value] of Object.entries(expected)) {
        const { values } = parsed;
        const found =
          typeof value === "boolean"
            ? values.bool(flag)
            : typeof value === "number"
              ? values.number(flag)
              : Array.isArray(value)
                ? values.list(flag)
                : values.string(flag);
        assert.deepEqual(found, value, flag);
      }
      assert.deepEqual(parsed.args, args);
    });
  }
});

suite("what can't be read is refused in docker's words", () => {
  const rows: [readonly string[], string][] = [
    [["--nope"], "unknown flag: --nope"],
    [["--nope=1"], "unknown flag: --nope"],
    [["-z"], "unknown shorthand flag: 'z' in -z"],
    [["-qz"], "unknown shorthand flag: 'z' in -z"],
    [["--file"], "flag needs an argument: --file"],
    [["-qf"], "flag needs an argument: 'f' in -f"],
    [["--=x"], "bad flag syntax: --=x"],
    [["---x"], "bad flag syntax: ---x"],
    [
      ["--pull=maybe"],
      'invalid argument "maybe" for "--pull" flag: strconv.ParseBool: parsing "maybe": invalid syntax',
    ],
    [["-q=2"], 'invalid argument "2" for "-q, --quiet" flag: strconv.ParseBool: parsing "2": invalid syntax'],
    [["--shm-size=x"], 'invalid argument "x" for "--shm-size" flag: invalid size: \'x\''],
    [["--shm-size=1x"], 'invalid argument "1x" for "--shm-size" flag: invalid suffix: \'x\''],
    [
      ["--parallelism=two"],
      'invalid argument "two" for "--parallelism" flag: strconv.ParseInt: parsing "two": invalid syntax',
    ],
    [["--ulimit=files=1"], 'invalid argument "files=1" for "--ulimit" flag: invalid ulimit type: files'],
    [
      ["--ulimit=nofile=9:8"],
      'invalid argument "nofile=9:8" for "--ulimit" flag: ulimit soft limit must be less than or equal to hard limit: 9 > 8',
    ],
    [
      ["--add-host", 'a"b'],
      'invalid argument "a\\"b" for "--add-host" flag: parse error on line 1, column 2: bare " in non-quoted-field',
    ],
  ];
  for (const [argv, message] of rows) {
    test(argv.join(" "), () => assert.throws(() => parseFlags(definitions, argv), new UsageError(message)));
  }
});

test("help is seen wherever it stands; deprecated flags are named; the first argument may end the flags", () => {
  assert.equal(parseFlags(definitions, [".", "--help"]).help, true);
  assert.equal(parseFlags(definitions, ["-qh"]).help, true);
  assert.equal(parseFlags(definitions, ["--", "--help"]).help, false);
  assert.deepEqual(parseFlags(definitions, ["--keep=1"]).notices, [
    "Flag --keep has been deprecated, keep is now shm-size",
  ]);
  assert.deepEqual(parseFlags(definitions, ["-q", "build", "--pull"], { interspersed: false }).args, [
    "build",
    "--pull",
  ]);
});
