import * as fs from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "vitest"
import { manifests, publicModules, readJson, root } from "./tools/modules.ts"

const packageJson = readJson("package.json")
const denoJson = readJson("deno.json")

/** Modules that the barrel leaves out: what most programs never load. */
const ownSubpathOnly: ReadonlyArray<string> = [
  "Fetch",
  "KeyRing",
  "Redis",
  "Testing",
  ...publicModules().flatMap(({ file }) => (file.startsWith("vendors/") ? [file] : []))
]

const modules = publicModules().filter(({ file }) => file !== "index")
const baseName = (file: string): string => path.posix.basename(file)

describe("the manifests (npm run exports writes them)", () => {
  it("npm offers exactly the public modules of src, types beside JavaScript", () => {
    expect(packageJson.exports).toEqual(manifests().npm)
  })

  it("JSR offers exactly the public modules of src", () => {
    expect(denoJson.exports).toEqual(manifests().jsr)
  })

  it("the package's own name means the sources inside the repository", () => {
    const own = Object.entries(denoJson.imports).filter(([name]) => name.startsWith("effect-credentials"))
    expect(Object.fromEntries(own)).toEqual(manifests().self)
  })

  it("npm and JSR name the same dependencies in the same ranges", () => {
    const ranges = Object.entries({ ...packageJson.peerDependencies, ...packageJson.dependencies })
    const imports = Object.entries(denoJson.imports).filter(([name]) => !name.startsWith("effect-credentials"))
    expect(Object.fromEntries(imports)).toEqual(
      Object.fromEntries(ranges.map(([name, range]) => [name, `npm:${name}@${range}`]))
    )
  })

  it("the version is the same everywhere", () => {
    const { version } = packageJson
    const lock = readJson("package-lock.json")
    expect({ deno: denoJson.version, lock: lock.version, lockedRoot: lock.packages[""].version }).toEqual({
      deno: version,
      lock: version,
      lockedRoot: version
    })
    expect(fs.readFileSync(path.join(root, "CHANGELOG.md"), "utf8")).toContain(`## ${version}`)
  })

  it("jose is the only dependency, effect and @effect/platform are peers, the rest is optional, nothing runs on install (S328)", () => {
    expect(Object.keys(packageJson.dependencies)).toEqual(["jose"])
    const isOptional = (name: string) => packageJson.peerDependenciesMeta[name]?.optional === true
    const peers = Object.keys(packageJson.peerDependencies)
    expect(peers.filter((name) => !isOptional(name)).sort()).toEqual(["@effect/platform", "effect"])
    expect(Object.keys(packageJson.scripts).filter((name) => /install|prepare$/.test(name))).toEqual([])
  })
})

describe("the barrel", () => {
  const barrel = fs.readFileSync(path.join(root, "src/index.ts"), "utf8")

  it.each(modules.filter(({ file }) => !ownSubpathOnly.includes(file)))("offers $file as a namespace", ({ file }) => {
    expect(barrel).toContain(`export * as ${baseName(file)} from "./${file}.ts"`)
  })

  it.each(ownSubpathOnly)("leaves out %s, which has only a subpath of its own", (file) => {
    expect(barrel).not.toContain(`"./${file}.ts"`)
  })
})

describe("public modules", () => {
  it.each(modules)("$file has a subpath of its own and a PascalCase name", ({ file }) => {
    expect(baseName(file)).toMatch(/^[A-Z][A-Za-z0-9]*$/)
    expect(modules.filter((other) => baseName(other.file) === baseName(file))).toHaveLength(1)
  })

  it.each(modules)("$file begins with its description", ({ file }) => {
    const source = fs.readFileSync(path.join(root, "src", `${file}.ts`), "utf8")
    const header = /^\/\*\*[\s\S]*?\*\//.exec(source)?.[0] ?? ""
    expect(header).toContain("@module")
    expect(header).toContain("```ts")
  })
})
