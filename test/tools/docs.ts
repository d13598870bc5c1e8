/**
 * Type-checks and runs every TypeScript block of the docstrings, of the README and of the guides: `npm run check:docs`.
 *
 * The comment below a `console.log` (or below the call that runs the effect) is the expected output, and all that is printed
 * has to be expected. A block that opens with "ts no-run" needs the outside world: it is type-checked only. Words on the command line choose
 * files: `npm run check:docs -- Token README`.
 */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import { format } from "node:util"
import { root, sources } from "./modules.ts"

interface Example {
  readonly file: string
  /** The line of `file` that holds its first line. */
  readonly line: number
  readonly code: string
  readonly runs: boolean
  /** Where it is written to, to be checked and run. */
  readonly name: string
}

/** The fenced blocks of a Markdown text whose first line is line `offset` of its file. */
const blocksOf = (file: string, markdown: string, offset: number): ReadonlyArray<Example> =>
  Array.from(markdown.matchAll(/^```ts( no-run)?\n([\s\S]*?)^```$/gm), (match) => {
    const line = offset + markdown.slice(0, match.index).split("\n").length
    const name = `${file.replaceAll(/[^\w]+/g, "-")}-${line}.ts`
    return { file, line, code: match[2]!, runs: match[1] === undefined, name }
  })

const examplesOf = (file: string): ReadonlyArray<Example> => {
  const text = fs.readFileSync(path.join(root, file), "utf8")
  if (file.endsWith(".md")) return blocksOf(file, text, 1)
  return Array.from(text.matchAll(/^[ \t]*\/\*\*[\s\S]*?\*\//gm)).flatMap((match) =>
    blocksOf(file, match[0].replaceAll(/^[ \t]*\/?\*+ ?/gm, ""), text.slice(0, match.index).split("\n").length)
  )
}

/** The comments that stand directly below code that prints. */
const expectedOf = (code: string): ReadonlyArray<string> => {
  const expected: Array<string> = []
  let prints = false
  for (const line of code.split("\n")) {
    const comment = /^\s*\/\/ ?(.*)$/.exec(line)
    if (comment === null)
      prints = line.trim() !== "" && (prints || /[cC]onsole\.log|\.run(Promise|Sync|Fork|Main)\b/.test(line))
    else if (prints) expected.push(comment[1]!.trimEnd())
  }
  return expected
}

const words = process.argv.slice(2)
const guides = ["README.md", "examples/guides.md", "examples/moving.md"]
const examples = [...sources().map((file) => `src/${file}`), ...guides]
  .filter((file) => fs.existsSync(path.join(root, file)))
  .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
  .flatMap(examplesOf)

const folder = fs.mkdtempSync(path.join(root, "test/.tmp-docs-"))
const failures = new Map<string, string>()
const broken = new Set<Example>()
const placeOf = (example: Example, line = 1): string => `${example.file}:${example.line + line - 1}`

const check = (): void => {
  fs.writeFileSync(
    path.join(folder, "tsconfig.json"),
    JSON.stringify({
      extends: "../../tsconfig.json",
      compilerOptions: { noUnusedLocals: false, noUnusedParameters: false },
      include: ["*.ts"],
      exclude: []
    })
  )
  for (const { code, name } of examples) fs.writeFileSync(path.join(folder, name), `${code}\nexport {}\n`)
  const tsc = path.join(root, "node_modules/typescript/bin/tsc")
  const { stdout } = spawnSync(process.execPath, [tsc, "-p", folder, "--pretty", "false"], {
    cwd: root,
    encoding: "utf8"
  })
  for (const message of stdout.split(/^(?=\S)/m)) {
    const place = /([\w-]+\.ts)\((\d+),\d+\): /.exec(message)
    const example = examples.find(({ name }) => place !== null && name === place[1])
    if (example === undefined) console.log(message.trimEnd())
    else {
      broken.add(example)
      failures.set(placeOf(example, Number(place![2])), message.slice(place!.index + place![0].length).trimEnd())
    }
  }
}

const printed: Array<string> = []
const problems: Array<unknown> = []

const run = async (example: Example): Promise<void> => {
  const expected = expectedOf(example.code).join("\n")
  const actual = (): string =>
    printed
      .join("\n")
      .split("\n")
      .map((line) => line.trimEnd())
      .join("\n")
  printed.length = problems.length = 0
  try {
    await import(pathToFileURL(path.join(folder, example.name)).href)
    // An example need not wait for what it started; we do.
    for (let waited = 0; actual() !== expected && waited < 3000 && problems.length === 0; waited += 10) {
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  } catch (error) {
    problems.push(error)
  }
  if (problems.length > 0) failures.set(placeOf(example), format(...problems))
  else if (actual() !== expected) failures.set(placeOf(example), `expected\n${expected}\nbut it printed\n${actual()}`)
}

try {
  check()
  const { log } = console
  const { exit } = process
  process.on("unhandledRejection", (error) => problems.push(error))
  process.exit = ((code) => problems.push(`the example ended the process with code ${code}`)) as typeof exit
  console.log = (...values) => {
    const text = format(...values)
    // What Effect's logger prints is dated, and nobody's expected output.
    if (!text.startsWith("timestamp=")) printed.push(text)
  }
  for (const example of examples) if (example.runs && !broken.has(example)) await run(example)
  console.log = log
  process.exit = exit
} finally {
  fs.rmSync(folder, { recursive: true, force: true })
}

for (const [place, problem] of failures) console.log(`${place}\n${problem.replaceAll(/^/gm, "  ")}\n`)
const ran = examples.filter((example) => example.runs && !broken.has(example)).length
console.log(`${examples.length} examples, ${ran} of them run, ${failures.size} problems`)
process.exit(failures.size > 0 ? 1 : 0)
