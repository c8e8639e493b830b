import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { executeTemplate, GoStruct } from "./go-template.ts";

const image = new GoStruct([
  ["Architecture", "architecture", "amd64"],
  ["Variant", "variant", "", true],
  ["Env", "env", ["A=<1>", "B=2"]],
]);
const data = new GoStruct([
  ["Name", "name", "n"],
  ["Image", "image", { "linux/amd64": image, "linux/arm64": image }],
  ["Labels", "labels", { b: "2", a: "1" }],
  ["Size", "size", 5],
  ["None", "none", undefined, true],
  ["List", "", [{ name: "x", version: 1 }, { name: "y" }]],
]);

suite("Go templates", () => {
  const rows: [template: string, expected: string][] = [
    ["a {{.Name}} b", "a n b"],
    ["{{ .Size }}{{/* nothing */}}", "5"],
    ["x {{- .Name -}} y", "xny"],
    ['{{(index .Image "linux/amd64").Architecture}}', "amd64"],
    ['{{ index .Image "linux/amd64" | json }}', '{"architecture":"amd64","env":["A=\\u003c1\\u003e","B=2"]}'],
    ['{{json (index .Image "linux/s390x")}}', "null"],
    ["{{range .List}}{{.name}}@{{.version}}{{println}}{{end}}", "x@1\ny@<no value>\n"],
    ["{{range $i, $e := .List}}{{if $i}},{{end}}{{$e.name}}{{end}}", "x,y"],
    ["{{range $k, $v := .Labels}}{{$k}}={{$v}};{{end}}", "a=1;b=2;"],
    ["{{range .None}}x{{else}}none{{end}}", "none"],
    ["{{with .Labels}}{{.a}}{{$.Name}}{{end}}{{with .None}}x{{end}}", "1n"],
    ['{{if eq .Name "m" "n"}}yes{{else if .None}}no{{else}}never{{end}}', "yes"],
    ["{{if not .None}}{{if and .Name .Size}}both{{end}}{{end}}{{or .None .Name}}", "bothn"],
    ["{{$x := .Size}}{{$x}}{{len .Labels}}{{len .Name}}", "521"],
    ['{{printf "%s-%d-%q%%" .Name .Size .Name}}', 'n-5-"n"%'],
    ['{{print "}}" `{{`}}', "}}{{"],
    ["{{.Labels}} {{.List}}", "map[a:1 b:2] [map[name:x version:1] map[name:y]]"],
    [
      "{{json .}}",
      '{"name":"n","image":{"linux/amd64":{"architecture":"amd64","env":["A=\\u003c1\\u003e","B=2"]},"linux/arm64":{"architecture":"amd64","env":["A=\\u003c1\\u003e","B=2"]}},"labels":{"a":"1","b":"2"},"size":5}',
    ],
  ];
  for (const [template, expected] of rows)
    test(template, () => assert.equal(executeTemplate(template, data), expected));

  const wrong: [template: string, message: RegExp][] = [
    ["{{.Nope}}", /can't evaluate field Nope/],
    ["{{.None.X}}", /nil pointer evaluating \.X/],
    ["{{.Name.constructor}}", /can't evaluate field constructor/],
    ["{{shell .}}", /function "shell" not defined/],
    ["{{range .List}}", /unexpected EOF/],
    ["{{.Name", /unclosed action/],
    ["{{end}}", /not understood/],
    ['{{template "x"}}', /not understood/],
    ["{{index .List 9}}", /index out of range/],
    ["{{$y}}", /undefined variable "\$y"/],
    ["{{(.Name}}", /not understood/],
  ];
  for (const [template, message] of wrong)
    test(`${template} is refused`, () => assert.throws(() => executeTemplate(template, data), message));
});
