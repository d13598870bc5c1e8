/** Runs examples one after the other in this process, each after a line with its name. */
import { pathToFileURL } from "node:url"

for (const file of process.argv.slice(2)) {
  process.stdout.write(`# ${file}\n`)
  await import(pathToFileURL(file).href)
}
