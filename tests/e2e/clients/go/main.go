// paho.mqtt.golang: publishes numbered messages in rounds, each with a connection of its own, all with one session.
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

func publishRound(port, version, qos, first, end int, id, topic string, window int) {
	options := mqtt.NewClientOptions().AddBroker(fmt.Sprintf("tcp://127.0.0.1:%d", port)).SetClientID(id)
	options.SetProtocolVersion(uint(version)).SetCleanSession(false).SetStore(mqtt.NewMemoryStore())
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
	client.Disconnect(1000)
}

func main() {
	port, version, qos, count := number(1), number(2), number(3), number(4)
	id, topic := os.Args[5], os.Args[6]
	window, rounds := number(7), number(8)
	for round := 0; round < rounds; round++ {
		publishRound(port, version, qos, count*round/rounds, count*(round+1)/rounds, id, topic, window)
	}
}
