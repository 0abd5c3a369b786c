-- post: wrk sends the same POST over and over; BENCH_BODY names the file that holds its body, BENCH_TYPE says what it is.
local file = assert(io.open(os.getenv("BENCH_BODY"), "rb"))
wrk.method = "POST"
wrk.body = file:read("*a")
wrk.headers["Content-Type"] = os.getenv("BENCH_TYPE")
file:close()
