/**
 * A ConfigProvider that treats blank as absent and remembers what it found, by the name a person would set.
 *
 * @module
 */
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"

const text = /* @__PURE__ */ Config.string() as Config.Config.Primitive<string>

export const nameOf = (path: ReadonlyArray<string>): string => path.join("_")

export const watched = (
  inner: ConfigProvider.ConfigProvider
): { readonly provider: ConfigProvider.ConfigProvider; readonly found: Set<string> } => {
  const found = new Set<string>()
  const { flattened } = inner
  return {
    found,
    provider: ConfigProvider.fromFlat(
      ConfigProvider.makeFlat({
        patch: flattened.patch,
        enumerateChildren: flattened.enumerateChildren,
        load: (path, primitive, split) =>
          Effect.flatMap(flattened.load(path, text, false), (raw) => {
            if (raw.every((value) => value.trim() === "")) {
              return Effect.fail(ConfigError.MissingData([...path], "blank"))
            }
            found.add(nameOf(path))
            return flattened.load(path, primitive, split)
          })
      })
    )
  }
}

/** The names a failed setting was looked for under. */
export const missingNames = (error: ConfigError.ConfigError): string => {
  switch (error._op) {
    case "Or":
      return `${missingNames(error.left)} or ${missingNames(error.right)}`
    case "And":
      return [missingNames(error.left), missingNames(error.right)].filter((name) => name !== "").join(", ")
    default:
      return error._op === "MissingData" ? nameOf(error.path) : ""
  }
}
