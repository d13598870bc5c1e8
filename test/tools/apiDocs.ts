/**
 * The documentation of the API as pages, from the docstrings: `npm run docs` writes them to `docs/`, which starts with `index.html`.
 *
 * `deno doc` writes a page for everything. In place of the barrel, which would show every module twice, it is given a list of the modules.
 */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { publicModules, readJson, root } from "./modules.ts"
import { runtimes } from "./runtimes.ts"

const packageJson = readJson("package.json")
const output = path.join(root, "docs")

/** The comment that a file begins with, without its marks. */
const header = (file: string): string => {
  const source = fs.readFileSync(path.join(root, "src", `${file}.ts`), "utf8")
  return source.slice(source.indexOf("/**") + 3, source.indexOf("*/")).replaceAll(/^ \* ?/gm, "")
}
const firstSentence = (text: string): string => /^.*?\.(?=\s)/s.exec(text.trim())![0].replaceAll("\n", " ")

const modules = publicModules().filter(({ subpath }) => subpath !== ".")
const name = (file: string): string => path.posix.basename(file)
const sections = { Modules: ".", Providers: "providers", Protocol: "protocol", "One system each": "vendors" }

const list = Object.entries(sections)
  .map(([title, folder]) => {
    const rows = modules
      .filter(({ file }) => path.posix.dirname(file) === folder)
      .map(({ file }) => `- [\`${name(file)}\`](${name(file)}/index.html): ${firstSentence(header(file))}`)
    return `## ${title}\n\n${rows.join("\n")}\n`
  })
  .join("\n")

const comment = (text: string): string => `/**\n${text.trim().replaceAll(/^/gm, " * ")}\n */\nexport {}\n`

/** A copy of the sources, with that list where the barrel was. */
const copied = (folder: string): void => {
  fs.cpSync(path.join(root, "src"), path.join(folder, "src"), { recursive: true })
  fs.symlinkSync(path.join(root, "node_modules"), path.join(folder, "node_modules"), "junction")
  for (const file of ["package.json", "deno.json"]) fs.copyFileSync(path.join(root, file), path.join(folder, file))
  fs.writeFileSync(
    path.join(folder, "src/index.ts"),
    comment(header("index").replace("@module", () => `${list}\n@module`))
  )
}

/** What a page says of how to import a module is the path that our users write. */
const corrected = (html: string): string =>
  html.replaceAll(/from &quot;(\w+)&quot;/g, (whole, specifier) =>
    modules.some(({ file }) => name(file) === specifier) ? `from &quot;${packageJson.name}/${specifier}&quot;` : whole
  )

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "effect-credentials-docs-"))
try {
  copied(folder)
  fs.rmSync(output, { recursive: true, force: true })
  const files = ["src/index.ts", ...modules.map(({ file }) => `src/${file}.ts`)]
  const { status, stderr } = spawnSync(
    runtimes.deno().command,
    ["doc", "--quiet", "--html", `--name=${packageJson.name} ${packageJson.version}`, `--output=${output}`, ...files],
    { cwd: folder, encoding: "utf8", maxBuffer: 1 << 28 }
  )
  if (status !== 0) throw new Error(stderr)
} finally {
  fs.rmSync(folder, { recursive: true, force: true })
}

const pages = fs.readdirSync(output, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".html"))
for (const page of pages) {
  const file = path.join(output, page)
  fs.writeFileSync(file, corrected(fs.readFileSync(file, "utf8")))
}

const missing = modules.map(({ file }) => name(file)).filter((name) => !pages.includes(path.join(name, "index.html")))
if (missing.length > 0) console.log(`without a page: ${missing.join(", ")}`)
else console.log(`docs/index.html: ${modules.length} modules on ${pages.length} pages`)
process.exitCode = missing.length > 0 ? 1 : 0
