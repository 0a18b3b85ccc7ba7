package spikenotifier;
class DeliveryTest extends Scenario { }
