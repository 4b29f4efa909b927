-- The requests of one kind, with random keys that are the same in each run, and the figures as one line of JSON.

local kind
local people = 10000

function init(arguments)
  kind = arguments[1]
  math.randomseed(7)
end

local function key()
  return math.random(1, people)
end

local paths = {
  one = function()
    return "/person/" .. key()
  end,
  several = function()
    local keys = {}
    for number = 1, 20 do
      keys[number] = key()
    end
    return "/people/" .. table.concat(keys, ",")
  end,
  listed = function()
    return "/aged/" .. math.random(18, 97)
  end,
}

function request()
  if kind == "insert" then
    local number = key()
    local body = string.format(
      '{"name": "Person %d", "email": "person%d@example.org", "age": %d, "score": %.3f, "created": "2024-01-01T12:00:00"}',
      number, number, 18 + number % 80, number / 8
    )
    return wrk.format("POST", "/person", { ["Content-Type"] = "application/json" }, body)
  end
  return wrk.format("GET", paths[kind]())
end

function done(summary, latency, requests)
  local errors = summary.errors
  print(string.format(
    '{"requests": %d, "seconds": %.6f, "p50": %.6f, "p99": %.6f, "errors": %d}',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e6, latency:percentile(99) / 1e6,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout
  ))
end
