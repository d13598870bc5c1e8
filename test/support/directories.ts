/** Directories for tests, gone when their scope closes. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"

/** An empty directory of this user, mode 0700. */
export const temporary: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "effect-credentials-")))),
  (directory) => Effect.sync(() => fs.rmSync(directory, { recursive: true, force: true }))
)

/** Who may do what with a file: `0o600` and so on. */
export const modeOf = (file: string): number => fs.lstatSync(file).mode & 0o777

/** All files in a directory and what they hold, directories with what is in them. */
export const contents = (directory: string): Record<string, string> =>
  Object.fromEntries(
    fs
      .readdirSync(directory, { recursive: true, encoding: "utf8" })
      .sort()
      .filter((name) => fs.lstatSync(path.join(directory, name)).isFile())
      .map((name) => [name, fs.readFileSync(path.join(directory, name), "utf8")])
  )
