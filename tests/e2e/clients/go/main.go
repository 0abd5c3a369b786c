// paho.mqtt.golang: publishes numbered messages in rounds, each with a connection of its own, all with one session.
//
// The store outlives them, as the session does: what a round leaves behind, the next one sends. The library calls a message done as soon as it
// sends it again after a connection is lost; the last round ends when nothing is left in the store.
//
// client PORT VERSION QOS COUNT CLIENT TOPIC WINDOW ROUNDS; exit status 0 when each of them has its acknowledgement.
package main

import (
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

const patience = 120 * time.Second

func number(index int) int {
	value, err := strconv.Atoi(os.Args[index])
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func wait(token mqtt.Token) {
	if !token.WaitTimeout(patience) {
		log.Fatalf("not done within %v", patience)
	}
	if token.Error() != nil {
		log.Fatal(token.Error())
	}
}

// A store that is not closed with a client, which may go on for a moment while the next one is there.
type lastingStore struct{ *mqtt.MemoryStore }

func (lastingStore) Close() {}

func (store lastingStore) waitUntilEmpty() {
	for end := time.Now().Add(patience); len(store.All()) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			log.Fatalf("%d messages are not done within %v", len(store.All()), patience)
		}
	}
}

func publishRound(port, version, qos, first, end int, id, topic string, window int, store lastingStore, last bool) {
	options := mqtt.NewClientOptions().AddBroker(fmt.Sprintf("tcp://127.0.0.1:%d", port)).SetClientID(id)
	options.SetProtocolVersion(uint(version)).SetCleanSession(false).SetStore(store)
	options.SetConnectRetry(true).SetConnectRetryInterval(20 * time.Millisecond)
	options.SetAutoReconnect(true).SetMaxReconnectInterval(100 * time.Millisecond)
	client := mqtt.NewClient(options)
	wait(client.Connect())
	tokens := make(chan mqtt.Token, window)
	done := make(chan bool)
	go func() {
		for token := range tokens {
			wait(token)
		}
		done <- true
	}()
	for i := first; i < end; i++ {
		tokens <- client.Publish(topic, byte(qos), false, fmt.Sprintf(`{"n":%d}`, i))
	}
	close(tokens)
	<-done
	if last {
		store.waitUntilEmpty()
	}
	client.Disconnect(1000)
}

func main() {
	port, version, qos, count := number(1), number(2), number(3), number(4)
	id, topic := os.Args[5], os.Args[6]
	window, rounds := number(7), number(8)
	store := lastingStore{mqtt.NewMemoryStore()}
	for round := 0; round < rounds; round++ {
		publishRound(port, version, qos, count*round/rounds, count*(round+1)/rounds, id, topic, window, store, round == rounds-1)
	}
}
