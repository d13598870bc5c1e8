/** Writes the public modules of src into package.json and deno.json: run it after adding a module (`npm run exports`). */
import * as fs from "node:fs"
import * as path from "node:path"
import { manifests, readJson, root } from "./modules.ts"

const write = (file: string, value: unknown): void =>
  fs.writeFileSync(path.join(root, file), `${JSON.stringify(value, null, 2)}\n`)

const { jsr, npm, self } = manifests()
const packageJson = readJson("package.json")
const denoJson = readJson("deno.json")
const { dependencies, peerDependencies } = packageJson
const ranges: Record<string, string> = { ...peerDependencies, ...dependencies }

write("package.json", { ...packageJson, exports: npm })
write("deno.json", {
  ...denoJson,
  version: packageJson.version,
  exports: jsr,
  imports: {
    ...Object.fromEntries(Object.entries(ranges).map(([name, range]) => [name, `npm:${name}@${range}`])),
    ...self
  }
})
