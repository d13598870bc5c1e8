/**
 * Where a program keeps what must outlive it, by the conventions of each platform. Never the directory it happens to run in.
 *
 * @module
 */
import * as Either from "effect/Either"
import * as Text from "./text.ts"

const name = "effect-credentials"

const isAbsolute = (platform: string, path: string): boolean =>
  platform === "win32" ? /^([a-z]:[\\/]|\\\\[^\\/]+[\\/])/i.test(path) : path.startsWith("/")

/** A path that means the same wherever the program runs, or what is wrong with it. */
const checked = (platform: string, source: string, path: string): Either.Either<string, string> => {
  const parts = path.split(platform === "win32" ? /[\\/]/ : "/")
  return isAbsolute(platform, path) && !parts.includes("..") && Text.isPlain(path)
    ? Either.right(path)
    : Either.left(`${source} must be an absolute path without ".." and control characters`)
}

/** What is kept: the variable that names its directory, and where platforms keep such things. */
export interface Kind {
  readonly variable: string
  readonly windows: string
  readonly xdg: string
  readonly home: ReadonlyArray<string>
}

/** What programs remember for a user. */
export const state: Kind = {
  variable: "EFFECT_CREDENTIALS_STORE",
  windows: "LOCALAPPDATA",
  xdg: "XDG_STATE_HOME",
  home: [".local", "state"]
}

/** What a user tells programs. */
export const configuration: Kind = {
  variable: "EFFECT_CREDENTIALS_CONFIG",
  windows: "APPDATA",
  xdg: "XDG_CONFIG_HOME",
  home: [".config"]
}

/**
 * The directory: the one given, else the one of the kind's variable, else one of its own where the platform keeps such things. Fails with
 * what has to be set.
 */
export const directory = (
  kind: Kind,
  given: string | undefined,
  platform: string,
  environment: Readonly<Record<string, string>>
): Either.Either<string, string> => {
  const set = (variable: string): string | undefined => {
    const value = environment[variable]
    return value === undefined || Text.isBlank(value) ? undefined : value
  }
  const below = (variable: string, ...folders: ReadonlyArray<string>): Either.Either<string, string> => {
    const base = set(variable)
    return base === undefined
      ? Either.left(`there is no place for it: set ${variable}, ${kind.variable} or the option directory`)
      : Either.map(checked(platform, variable, base), (base) =>
          [base.replace(platform === "win32" ? /(?<![\\/])[\\/]+$/ : /(?<!\/)\/+$/, ""), ...folders, name].join(
            platform === "win32" ? "\\" : "/"
          )
        )
  }
  if (given !== undefined) return checked(platform, "the option directory", given)
  const chosen = set(kind.variable)
  if (chosen !== undefined) return checked(platform, kind.variable, chosen)
  switch (platform) {
    case "win32":
      return below(kind.windows)
    case "darwin":
      return below("HOME", "Library", "Application Support")
    default: {
      // The XDG specification wants a relative path ignored.
      const base = set(kind.xdg)
      return base !== undefined && isAbsolute(platform, base) ? below(kind.xdg) : below("HOME", ...kind.home)
    }
  }
}
